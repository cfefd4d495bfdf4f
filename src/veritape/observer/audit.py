"""What is complete and what is missing: the statement per line, and the document of a day (OB-606, OB-614, OB-678).

A line closes when recorded + backfilled + residual equal its end anchor in trades, shares and won. The recorded part is
the sum of the trades themselves, the backfilled part the sum of the fetched rows, the residual follows from the totals at
the holes' edges, the anchor from the broker's sweeps: independent sources, so that the equation can fail. A second ledger
in SQL (OB-681) may object: then the line is contradicted.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from veritape.observer import gap_documents, gaps, severity
from veritape.observer.axis import ZERO, Edge, Hole, Reading, Totals
from veritape.observer.backfill import Fetched, Filling, fill, fill_all
from veritape.observer.bars import Described, by_minute, describe
from veritape.observer.completeness import Line, Problem
from veritape.observer.gap_documents import Gap, Place
from veritape.observer.gaps import Watch
from veritape.observer.outages import Outage
from veritape.observer.recorded_days import Anchor, Day
from veritape.observer.recorder import kst
from veritape.observer.severity import Severity

FORMAT: Final = "veritape.audit.v1"
"""Name of the JSON document."""

DIFFERENCES_SHOWN: Final = 5
"""Differences between the two ledgers that a line's statement names."""


class Status(StrEnum):
    """What can be said of a line (OB-614)."""

    COMPLETE = "complete"
    """No holes, both ends anchored, no contradiction."""
    COMPLETE_BACKFILLED = "complete_backfilled"
    """Its holes are filled trade by trade."""
    RESIDUAL = "residual"
    """It closes with a stated residual."""
    UNPROVEN = "unproven"
    """The anchor is missing or the trades are not exact."""
    CONTRADICTED = "contradicted"
    """The counters disagree with each other, with the anchor, with fetched rows or bars, or with the second ledger."""
    SWEPT_ONLY = "swept_only"
    """It never had a slot: only sweeps saw it."""


class Evidence(NamedTuple):
    """What an audit knows beside the recorder's day."""

    minute_shares: Mapping[str, Mapping[int, int]] = {}
    """Code -> first second of a minute -> recorded shares."""
    differences: Mapping[str, Sequence[str]] = {}
    """Code -> what the second ledger says differently."""
    quiet: Mapping[str, tuple[int, int, int]] = {}
    """Code -> pauses between trades above 10, 60 and 300 s."""
    manifests: Sequence[Mapping[str, Any]] = ()
    """Manifests of the day's grid, in order."""
    backup_failed: bool = False
    """Whether a backup or a drill of the day failed."""


NONE: Final = Evidence()
"""Nothing beside the day."""


class Statement(NamedTuple):
    """One line's figures."""

    line: Line
    anchor: Anchor | None
    gaps: tuple[Gap, ...]
    """Every hole with what was fetched for it, the tail included."""
    trades_exact: bool
    """Whether every hole's trade count is a number and not a range."""
    end: Totals | None
    """The anchor in trades, shares and won; None without one."""
    backfilled: Totals
    residual: Totals
    status: Status
    bars_below: tuple[int, ...] = ()
    """Minutes whose bar has fewer shares than are known (OB-706)."""

    @property
    def closes(self) -> bool:
        """Tell whether recorded + backfilled + residual equal the end (OB-606)."""
        return (
            self.end is not None and self.line.recorded.plus(self.backfilled).plus(self.residual) == self.end
        )


def state(day: Day, code: str, evidence: Evidence = NONE) -> Statement:
    """Return the statement of one line; the line is not changed."""
    line, anchor = day.line(code), day.anchors.get(code)
    fetched = day.fetched.get(code, [])
    per_epoch = [
        fill_all(axis.holes(), [row for row in fetched if row.epoch == epoch])
        for epoch, axis in enumerate(line.axes)
    ]
    tail, most_trades = _tail(day.day, line, anchor, day.tails.get(code), fetched)
    per_epoch[-1] += [tail] if tail else []
    fillings = [filling for own in per_epoch for filling in own]
    exact = line.trades_exact and most_trades is None
    end = None if anchor is None else _end(line, anchor, tail)
    described = _described(day, line, fillings, evidence)
    found = _gaps(day, code, per_epoch, most_trades, described)
    backfilled, residual = (_sum(f.backfilled for f in fillings), _sum(f.residual for f in fillings))
    statement = Statement(
        line, anchor, found, exact, end, backfilled, residual, Status.COMPLETE, described.contradictions
    )
    return statement._replace(status=_status(statement, day.watches.get(code, []), evidence))


def document(
    day: Day,
    venue: str,
    generated_ns: int,
    sweeps: Mapping[str, int],
    codes: Iterable[str] | None = None,
    evidence: Evidence = NONE,
) -> dict[str, Any]:
    """Return the JSON form (OB-678).

    Args:
        day: the recorder's day.
        venue: whose lines they are.
        generated_ns: wall clock.
        sweeps: cycles, expected, received and missing of the day.
        codes: symbols to report; all when None.
        evidence: what else is known.
    """
    chosen = sorted(day.lines if codes is None else set(codes) & set(day.lines))
    statements = [state(day, code, evidence) for code in chosen]
    place = Place(venue, day.day, day.open_s, day.close_s, day.closed_ns)
    lines = [_line(day, place, statement, evidence) for statement in statements]
    audit = {
        "format": FORMAT,
        "day": day.day,
        "venue": venue,
        "generated_ns": generated_ns,
        "closed": bool(statements) and all(statement.closes for statement in statements),
        "totals": {
            "recorded": _sum(s.line.recorded for s in statements)._asdict(),
            "backfilled": _sum(s.backfilled for s in statements)._asdict(),
            "residual": _sum(s.residual for s in statements)._asdict(),
        },
        "lines": lines,
        "gaps": [
            *outage_gaps(day, place, [gap for line in lines for gap in line["gaps"]]),
            *sweep_gaps(place, evidence.manifests),
        ],
        "sweeps": dict(sweeps),
        "observations": [_observation(s, evidence.quiet.get(s.line.code)) for s in statements],
    }
    found = severity.anomalies(audit, backup_failed=evidence.backup_failed)
    return {**audit, "anomalies": [anomaly.value for anomaly in found]}


def _tail(
    day: str, line: Line, anchor: Anchor | None, tiled: int | None, fetched: Sequence[Fetched]
) -> tuple[Filling | None, int | None]:
    """Return the hole behind the last record, and the most trades that it may hold where that is a range (OB-612)."""
    if anchor is None or anchor.chain_shares <= line.end.chain_shares:
        return None, None
    rows = [row for row in fetched if row.epoch == len(line.axes) - 1 and row.begins >= line.end.chain_shares]
    if tiled is not None:
        return fill(_tail_hole(day, line, anchor, tiled), rows), None
    probe = fill(_tail_hole(day, line, anchor, 1), rows)
    got, left = len(probe.rows), probe.shares_left
    least = got + (left > 0)
    return fill(_tail_hole(day, line, anchor, least), rows), got + left if left else None


def _tail_hole(day: str, line: Line, anchor: Anchor, trades: int) -> Hole:
    """Return the hole behind the last record: what it lacks had happened when the anchor was taken, not later."""
    end, (taken_day, taken_s) = line.end, kst(anchor.taken_ns)
    latest_s = max(end.event_s, taken_s) if taken_day == day else gaps.DAY_SECONDS - 1
    right = Edge(anchor.chain_shares, anchor.chain_value, end.sells, end.buys + trades, latest_s)
    return Hole(end, right, anchor.taken_ns)


def _end(line: Line, anchor: Anchor, tail: Filling | None) -> Totals:
    """Return what the market did: earlier epochs up to their last record, the present one up to the anchor."""
    end = Totals(0, anchor.chain_shares, anchor.chain_value)
    for axis in line.axes[:-1]:
        end = end.plus(Totals(axis.end.trades, axis.end.chain_shares, axis.end.chain_value))
    return end.plus(Totals(tail.hole.right.trades if tail else line.end.trades, 0, 0))


def _described(day: Day, line: Line, fillings: Sequence[Filling], evidence: Evidence) -> Described:
    bars, minutes = day.bars.get(line.code), evidence.minute_shares.get(line.code)
    if not bars or not minutes:
        return Described((0,) * len(fillings), ())
    return describe(fillings, by_minute(bars, min(minutes)), minutes)


def _gaps(
    day: Day, code: str, per_epoch: Sequence[Sequence[Filling]], most_trades: int | None, described: Described
) -> tuple[Gap, ...]:
    watches = day.watches.get(code, [])
    events = [*gaps.unwatched(watches), *gaps.refused(day.refusals.get(code, ()), watches), *day.quarantined]
    outages = day.outages.in_session(day.open_s, day.close_s)
    numbered = [(epoch, filling) for epoch, own in enumerate(per_epoch) for filling in own]
    found = []
    for index, (epoch, filling) in enumerate(numbered):
        cause = gaps.cause_of(filling.hole, events)
        parent = _parent(filling.hole, cause, outages)
        most = most_trades if index == len(numbered) - 1 else None
        found.append(Gap(filling, cause, parent, most, described.shares[index], epoch))
    return tuple(gap for gap in found if gap.filling.hole.reading is not Reading.JOINED)


def _parent(hole: Hole, cause: gaps.Cause, outages: Sequence[Outage]) -> Outage | None:
    """Return the newest outage of a hole's cause that overlaps it."""
    found = [
        one for one in outages if one.cause is cause and one.overlaps(hole.left.event_s, hole.right.event_s)
    ]
    return found[-1] if found else None


def _status(statement: Statement, watches: Sequence[Watch], evidence: Evidence) -> Status:
    line, anchor = statement.line, statement.anchor
    if not watches and line.recorded == ZERO:
        return Status.SWEPT_ONLY
    if _contradictions(statement) or evidence.differences.get(line.code):
        return Status.CONTRADICTED
    if anchor is None or not anchor.agreed or not statement.trades_exact or len(line.axes) > 1:
        return Status.UNPROVEN
    if statement.residual != ZERO:
        return Status.RESIDUAL
    return Status.COMPLETE_BACKFILLED if statement.gaps else Status.COMPLETE


def _contradictions(statement: Statement) -> bool:
    """Tell whether two of a line's sources cannot both be true."""
    line, anchor = statement.line, statement.anchor
    return (
        bool({Problem.CHAIN_CONTRADICTION, Problem.CHAIN_OVERLAP} & set(line.problems))
        or any(gap.filling.contradicts for gap in statement.gaps)
        or (anchor is not None and (anchor.chain_shares < line.end.chain_shares or not statement.closes))
        or bool(statement.bars_below)
    )


def _line(day: Day, place: Place, statement: Statement, evidence: Evidence) -> dict[str, Any]:
    line, anchor = statement.line, statement.anchor
    by_cause: dict[str, Totals] = {}
    for gap in statement.gaps:
        by_cause[gap.cause] = by_cause.get(gap.cause, ZERO).plus(gap.filling.residual)
    facts = day.facts.get(line.code)
    previous = facts.previous_shares if facts else 0
    own = [gap_documents.of_line(place, line.code, gap, previous) for gap in statement.gaps]
    return {
        "code": line.code,
        "status": statement.status.value,
        "severity": _line_severity(place, statement, own).value,
        "epochs": len(line.axes),
        "anchor": None if anchor is None else _anchor(statement, anchor),
        "recorded": line.recorded._asdict(),
        "backfilled": statement.backfilled._asdict(),
        "residual": {
            **statement.residual._asdict(),
            "by_cause": {
                cause: totals._asdict() for cause, totals in sorted(by_cause.items()) if totals != ZERO
            },
            "described_by_bars_shares": sum(gap.described_shares for gap in statement.gaps),
        },
        "duplicates": line.duplicates,
        "late": line.late,
        "contradictions": sum(line.problems.values()) + len(statement.bars_below),
        "differences": list(evidence.differences.get(line.code, ()))[:DIFFERENCES_SHOWN],
        "trades_exact": statement.trades_exact,
        "watched": [
            [w.start_s, max(w.start_s, day.close_s) if w.end_s is None else w.end_s]
            for w in day.watches.get(line.code, [])
        ],
        "gaps": own,
    }


def _anchor(statement: Statement, anchor: Anchor) -> dict[str, int | None]:
    trades = statement.end.trades if statement.trades_exact and statement.end else None
    return {
        "shares": anchor.chain_shares,
        "value_krw": anchor.chain_value,
        "trades": trades,
        "taken_ns": anchor.taken_ns,
    }


def _line_severity(place: Place, statement: Statement, own: Sequence[Mapping[str, Any]]) -> Severity:
    """Return the worst of a line's gaps and of its residual at the day's end (OB-674)."""
    if statement.status is Status.CONTRADICTED:
        return Severity.HIGH
    rows = [Severity(gap["severity"]) for gap in own]
    if place.over_ns is not None and statement.end is not None:
        rows.append(severity.of_residual(statement.residual.shares, statement.end.shares))
    return severity.worst(rows)


def outage_gaps(day: Day, place: Place, of_lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the gaps of connection and process, parents of those lines' gaps that they caused (OB-671)."""
    outages = [
        (outage, gap_documents.outage_id(place, outage))
        for outage in day.outages.in_session(day.open_s, day.close_s)
    ]
    return [
        gap_documents.of_outage(place, outage, [gap for gap in of_lines if gap["parent"] == name])
        for outage, name in outages
    ]


def sweep_gaps(place: Place, manifests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the gaps of the sweeps that did not bring every code."""
    found, skipped = [], 0
    for manifest in manifests:
        skipped = skipped + 1 if manifest["expected"] and not manifest["calls"] else 0
        gap = gap_documents.of_sweep(place, manifest, kst(manifest["grid_ns"])[1], skipped)
        found += [gap] if gap else []
    return found


def _observation(statement: Statement, quiet: tuple[int, int, int] | None) -> dict[str, Any]:
    """Return the day's evidence for the theory: joined pairs and what broke it (OB-609); pauses are time, not loss."""
    line = statement.line
    return {
        "code": line.code,
        "joined_pairs": line.joined,
        "holes": len(statement.gaps),
        "uncounted": line.uncounted,
        "problems": {problem.value: times for problem, times in sorted(line.problems.items())},
        "quiet_10_60_300_s": None if quiet is None else list(quiet),
    }


def _sum(parts: Iterable[Totals]) -> Totals:
    total = ZERO
    for part in parts:
        total = total.plus(part)
    return total
