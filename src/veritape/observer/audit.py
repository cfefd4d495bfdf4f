"""What is complete and what is missing: the statement per line, and its forms (OB-606, OB-614, OB-677, OB-678).

A line closes when recorded + backfilled + residual equal its end anchor in trades, shares and won. The recorded part is
the sum of the trades themselves, the residual follows from the totals at the holes' edges, the anchor from the broker's
sweeps: three sources, so that the equation can fail.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

from veritape.observer import gaps
from veritape.observer.completeness import ZERO, Edge, Hole, Line, Problem, Reading, Totals
from veritape.observer.gaps import Cause, Severity, Watch
from veritape.observer.recorder import Anchor, Day

FORMAT: Final = "veritape.audit.v1"
"""Name of the JSON document."""


class Status(StrEnum):
    """What can be said of a line (OB-614)."""

    COMPLETE = "complete"
    """No holes, both ends anchored, no contradiction."""
    RESIDUAL = "residual"
    """It closes with a stated residual."""
    UNPROVEN = "unproven"
    """The anchor is missing or the trades are not exact."""
    CONTRADICTED = "contradicted"
    """The counters disagree with each other or with the anchor."""
    SWEPT_ONLY = "swept_only"
    """It never had a slot: only sweeps saw it."""


class Statement(NamedTuple):
    """One line's figures."""

    line: Line
    anchor: Anchor | None
    holes: tuple[tuple[Hole, Cause], ...]
    """Every hole, the tail included."""
    trades_exact: bool
    """Whether every hole's trade count is a number and not a range."""
    end: Totals | None
    """The anchor in trades, shares and won; None without one."""
    residual: Totals
    status: Status

    @property
    def closes(self) -> bool:
        """Tell whether recorded + backfilled + residual equal the end (OB-606)."""
        return self.end is not None and self.line.recorded.plus(self.residual) == self.end


def state(day: Day, code: str) -> Statement:
    """Return the statement of one line; the line is not changed."""
    line, anchor = day.line(code), day.anchors.get(code)
    watches = day.watches.get(code, [])
    events = [*gaps.unwatched(watches), *day.quarantined]
    found = [hole for axis in line.axes for hole in axis.holes()]
    tail, exact = _tail(line, anchor, day.tails.get(code))
    holes = (*found, *((tail,) if tail else ()))
    residual = ZERO
    for hole in holes:
        residual = residual.plus(hole.totals)
    exact = exact and line.trades_exact
    end = None if anchor is None else _end(line, anchor, tail)
    impossible = tail is not None and tail.reading is Reading.CHAIN_CONTRADICTION
    status = _status(line, watches, anchor, end, residual, exact=exact, impossible=impossible)
    return Statement(
        line, anchor, tuple((h, gaps.cause_of(h, events)) for h in holes), exact, end, residual, status
    )


def document(
    day: Day, venue: str, generated_ns: int, sweeps: Mapping[str, int], codes: Iterable[str] | None = None
) -> dict[str, Any]:
    """Return the JSON form (OB-678).

    Args:
        day: the recorder's day.
        venue: whose lines they are.
        generated_ns: wall clock.
        sweeps: cycles, expected, received and missing of the day.
        codes: symbols to report; all when None.
    """
    chosen = sorted(day.lines if codes is None else set(codes) & set(day.lines))
    statements = [state(day, code) for code in chosen]
    total = ZERO
    for statement in statements:
        total = total.plus(statement.line.recorded)
    return {
        "format": FORMAT,
        "day": day.day,
        "venue": venue,
        "generated_ns": generated_ns,
        "closed": bool(statements) and all(statement.closes for statement in statements),
        "totals": {
            "recorded": total._asdict(),
            "backfilled": ZERO._asdict(),
            "residual": _sum(s.residual for s in statements)._asdict(),
        },
        "lines": [_line(day, venue, statement) for statement in statements],
        "sweeps": dict(sweeps),
        "observations": [_observation(statement) for statement in statements],
    }


def text(audit: Mapping[str, Any], last_seal: str) -> str:
    """Return the form for people: one row a line sorted by status and code, then totals (OB-677)."""
    lines = sorted(audit["lines"], key=lambda line: (line["status"], line["code"]))
    anchored = sum(line["anchor"] is not None for line in lines)
    contradictions = sum(line["contradictions"] for line in lines)
    duplicates = sum(line["duplicates"] for line in lines)
    head = (
        f"day {audit['day']}  venue {audit['venue']}  anchored {anchored}/{len(lines)}  contradictions {contradictions}"
        f"  duplicates {duplicates}  last seal {last_seal[:8] or '-'}"
    )
    columns = (
        f"{'code':7} {'status':12} {'trades':>9} {'recorded':>9} {'backfilled':>10} {'residual':>8} {'shares missing':>20}"
        f" {'value missing KRW':>18}  {'gaps l/m/h':>10}  watched"
    )
    return "\n".join([head, columns, *(_text_row(line) for line in lines), _text_total(audit)])


def _tail(line: Line, anchor: Anchor | None, tiled: int | None) -> tuple[Hole | None, bool]:
    """Return the hole behind the last record, and whether its trade count is exact (OB-612)."""
    if anchor is None or anchor.chain_shares <= line.end.chain_shares:
        return None, True
    end = line.end
    trades = tiled if tiled is not None else 1
    right = Edge(anchor.chain_shares, anchor.chain_value, end.sells, end.buys + trades, gaps.DAY_SECONDS - 1)
    return Hole(end, right, anchor.taken_ns), tiled is not None


def _end(line: Line, anchor: Anchor, tail: Hole | None) -> Totals:
    """Return what the market did: earlier epochs up to their last record, the present one up to the anchor."""
    end = Totals(0, anchor.chain_shares, anchor.chain_value)
    for axis in line.axes[:-1]:
        end = end.plus(Totals(axis.end.trades, axis.end.chain_shares, axis.end.chain_value))
    return end.plus(Totals(tail.right.trades if tail else line.end.trades, 0, 0))


def _status(
    line: Line,
    watches: list[Watch],
    anchor: Anchor | None,
    end: Totals | None,
    residual: Totals,
    *,
    exact: bool,
    impossible: bool,
) -> Status:
    if not watches and line.recorded == ZERO:
        return Status.SWEPT_ONLY
    contradicted = {Problem.CHAIN_CONTRADICTION, Problem.CHAIN_OVERLAP} & set(line.problems)
    behind = anchor is not None and anchor.chain_shares < line.end.chain_shares
    if contradicted or impossible or behind or (end is not None and line.recorded.plus(residual) != end):
        return Status.CONTRADICTED
    if anchor is None or not anchor.agreed or not exact or len(line.axes) > 1:
        return Status.UNPROVEN
    return Status.COMPLETE if residual == ZERO else Status.RESIDUAL


def _line(day: Day, venue: str, statement: Statement) -> dict[str, Any]:
    line, anchor = statement.line, statement.anchor
    by_cause: dict[str, Totals] = {}
    for hole, cause in statement.holes:
        by_cause[cause] = by_cause.get(cause, ZERO).plus(hole.totals)
    facts = day.facts.get(line.code)
    previous = facts.previous_shares if facts else 0
    return {
        "code": line.code,
        "status": statement.status.value,
        "epochs": len(line.axes),
        "anchor": None
        if anchor is None or statement.end is None
        else {
            "shares": anchor.chain_shares,
            "value_krw": anchor.chain_value,
            "trades": statement.end.trades if statement.trades_exact else None,
            "taken_ns": anchor.taken_ns,
        },
        "recorded": line.recorded._asdict(),
        "backfilled": ZERO._asdict(),
        "residual": {
            **statement.residual._asdict(),
            "by_cause": {cause: totals._asdict() for cause, totals in sorted(by_cause.items())},
            "described_by_bars_shares": 0,
        },
        "duplicates": line.duplicates,
        "late": line.late,
        "contradictions": sum(line.problems.values()),
        "trades_exact": statement.trades_exact,
        "watched": [
            [w.start_s, day.close_s if w.end_s is None else w.end_s] for w in day.watches.get(line.code, [])
        ],
        "gaps": [
            gaps.document(
                venue, line.code, day.day, hole, cause, over_ns=day.closed_ns, previous_shares=previous
            )
            for hole, cause in statement.holes
            if hole.reading is not Reading.JOINED
        ],
    }


def _observation(statement: Statement) -> dict[str, Any]:
    """Return the day's evidence for the theory: joined pairs and what broke it (OB-609)."""
    line = statement.line
    return {
        "code": line.code,
        "joined_pairs": line.joined,
        "holes": len(statement.holes),
        "uncounted": line.uncounted,
        "problems": {problem.value: times for problem, times in sorted(line.problems.items())},
    }


def _sum(parts: Iterable[Totals]) -> Totals:
    total = ZERO
    for part in parts:
        total = total.plus(part)
    return total


def _text_row(line: Mapping[str, Any]) -> str:
    end = line["anchor"] or {"trades": None, "shares": 0}
    residual, trades = line["residual"], end["trades"]
    share = f"{100 * residual['shares'] / end['shares']:.3f}%" if end["shares"] else "-"
    counts = [sum(gap["severity"] == severity for gap in line["gaps"]) for severity in Severity]
    watched = " ".join(f"{_clock(start)}-{_clock(end_s)}" for start, end_s in line["watched"]) or "-"
    return (
        f"{line['code']:7} {line['status']:12} {'?' if trades is None else f'{trades:,}':>9}"
        f" {line['recorded']['trades']:>9,} {line['backfilled']['trades']:>10,} {residual['trades']:>8,}"
        f" {residual['shares']:>13,} {share:>6} {residual['value_krw']:>18,}"
        f"  {'/'.join(map(str, counts)):>10}  {watched}"
    )


def _text_total(audit: Mapping[str, Any]) -> str:
    totals, sweeps = audit["totals"], audit["sweeps"]
    verdict = "every line closes" if audit["closed"] else "NOT every line closes"
    return (
        f"total   {verdict}: recorded {totals['recorded']['trades']:,}, residual {totals['residual']['trades']:,} trades;"
        f" sweeps {sweeps['received']:,} of {sweeps['expected']:,} in {sweeps['cycles']} cycles"
    )


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
