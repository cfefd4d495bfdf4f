"""Gaps as the audit prints them: of a line, of the connection or the process, of a sweep (OB-672)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from veritape.observer import severity
from veritape.observer.axis import Edge, Totals
from veritape.observer.backfill import Filling
from veritape.observer.gaps import Cause, State, average_price, gap_id
from veritape.observer.outages import Outage, Scope
from veritape.observer.recorder import kst
from veritape.observer.severity import Severity

NOTHING: Final = {"trades": 0, "shares": 0, "value_krw": 0}
"""Totals of a gap that is no line's."""

OWN_LOSS: Final = {Cause.FRAME_LOST, Cause.FRAME_QUARANTINED}
"""Causes for which the counters are the only evidence; any other was an event of its own (level f)."""


class Place(NamedTuple):
    """Whose gaps they are."""

    venue: str
    day: str
    """YYYYMMDD."""
    open_s: int
    """Open, seconds since midnight in Seoul."""
    close_s: int
    """Close."""
    over_ns: int | None
    """Wall clock at which the recorder closed the day; None while it lasts."""


class Gap(NamedTuple):
    """A hole with everything that is known of it."""

    filling: Filling
    """The hole and what was fetched for it."""
    cause: Cause
    """Why."""
    parent: Outage | None
    """The outage that it belongs to."""
    most_trades: int | None
    """Most trades that may be missing, where only a range is known (OB-612)."""
    described_shares: int
    """Missing shares that minute bars describe."""
    epoch: int = 0
    """Chain epoch."""

    @property
    def state(self) -> State:
        """Return where it is in its life while the day lasts."""
        if self.filling.contradicts:
            return State.CONTRADICTED
        return State.FILLED if self.filling.tiled else State.OPEN


def of_line(place: Place, code: str, gap: Gap, previous_shares: int) -> dict[str, Any]:
    """Return a line's gap."""
    filling, hole = gap.filling, gap.filling.hole
    trades, shares, value = hole.totals
    state = State.RESIDUAL if gap.state is State.OPEN and place.over_ns is not None else gap.state
    levels = [*("a" if trades else ""), "b", "c", *("" if gap.cause in OWN_LOSS else "f")]
    return {
        "id": gap_id(place.venue, code, place.day, hole.left.chain_shares),
        "parent": None if gap.parent is None else outage_id(place, gap.parent),
        "venue": place.venue,
        "code": code,
        "day": place.day,
        "scope": Scope.LINE.value,
        "cause": gap.cause.value,
        "levels": levels,
        "opened_ns": hole.found_ns,
        "closed_ns": closed_ns(gap, state, place.over_ns),
        "left": {"chain_shares": hole.left.chain_shares, "event_s": hole.left.event_s},
        "right": {"chain_shares": hole.right.chain_shares, "event_s": hole.right.event_s},
        "trades": {"min": trades, "max": trades if gap.most_trades is None else gap.most_trades},
        "sells": hole.sells,
        "buys": trades - hole.sells,
        "shares": shares,
        "value_krw": value,
        "average_price": average_price(hole),
        "backfilled": filling.backfilled._asdict(),
        "residual": filling.residual._asdict(),
        "described_by_bars_shares": gap.described_shares,
        "duration_s": max(0, hole.right.event_s - hole.left.event_s),
        "severity": line_severity(gap, state, max(hole.right.chain_shares, previous_shares)).value,
        "state": state.value,
    }


def line_severity(gap: Gap, state: State, reference_shares: int) -> Severity:
    """Return the worst row of the table that applies to a line's gap."""
    if state is State.CONTRADICTED:
        return Severity.HIGH
    left = gap.filling.shares_left
    rows = [severity.of_shares(left, reference_shares)]
    if state is State.RESIDUAL:
        rows.append(severity.of_residual(left, reference_shares))
    return severity.worst(rows)


def closed_ns(gap: Gap, state: State, over_ns: int | None) -> int | None:
    """Return when a gap ended: with its last fetched row, or with the day."""
    if state is State.FILLED and gap.filling.rows:
        return max(row.fetched_us for row in gap.filling.rows) * 1_000
    return over_ns


def of_outage(place: Place, outage: Outage, children: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the parent gap of a connection or a process; its figures are the sums of its children's."""
    seconds = outage.seconds(place.open_s, place.close_s)
    lasting = outage.end_s is None and place.over_ns is None
    state = State.OPEN if lasting else _state_of(children)
    return {
        **_bare(place, outage.scope, outage.cause, outage_id(place, outage)),
        "opened_ns": outage.opened_ns,
        "closed_ns": outage.closed_ns if outage.closed_ns is not None else place.over_ns,
        "left": {"chain_shares": 0, "event_s": outage.earliest_s},
        "right": None if outage.latest_s is None else {"chain_shares": 0, "event_s": outage.latest_s},
        "trades": {key: sum(child["trades"][key] for child in children) for key in ("min", "max")},
        **{key: sum(child[key] for child in children) for key in ("sells", "buys", "shares", "value_krw")},
        "backfilled": add_up(child["backfilled"] for child in children)._asdict(),
        "residual": add_up(child["residual"] for child in children)._asdict(),
        "described_by_bars_shares": sum(child["described_by_bars_shares"] for child in children),
        "duration_s": seconds,
        "severity": severity.of_outage(seconds).value,
        "state": state.value,
    }


def of_sweep(
    place: Place, manifest: Mapping[str, Any], second: int, skipped_in_a_row: int
) -> dict[str, Any] | None:
    """Return the gap of a cycle that did not bring every code, None when it did."""
    missing, expected = len(manifest["missing"]), manifest["expected"]
    if not missing:
        return None
    name = gap_id(place.venue, f"sweep-{manifest['cycle']}", place.day, 0)
    return {
        **_bare(place, Scope.SWEEP, Cause.SWEEP_MISSED, name),
        "opened_ns": manifest["grid_ns"],
        "closed_ns": max(manifest["ended_ns"], manifest["grid_ns"]),
        "left": {"chain_shares": 0, "event_s": second},
        "right": {"chain_shares": 0, "event_s": second},
        "severity": severity.of_sweep(missing, expected, skipped_in_a_row).value,
        "state": State.RESIDUAL.value,
    }


def suspected(
    place: Place, code: str, last: Edge, seen_shares: int, now_ns: int, previous_shares: int
) -> dict[str, Any]:
    """Return the suspicion that a silent line lost its newest trades: a sweep or a book is ahead of it (levels d, e).

    Args:
        place: whose gaps they are.
        code: of the line.
        last: its last record.
        seen_shares: shares of the day that were seen.
        now_ns: wall clock.
        previous_shares: yesterday's volume.
    """
    shares = seen_shares - last.chain_shares
    return {
        **_bare(place, Scope.LINE, Cause.FRAME_LOST, gap_id(place.venue, code, place.day, last.chain_shares)),
        "code": code,
        "levels": ["e"],
        "opened_ns": now_ns,
        "closed_ns": None,
        "left": {"chain_shares": last.chain_shares, "event_s": last.event_s},
        "right": {"chain_shares": seen_shares, "event_s": max(last.event_s, kst(now_ns)[1])},
        "trades": {"min": 0, "max": shares},
        "shares": shares,
        "residual": {"trades": 0, "shares": shares, "value_krw": 0},
        "severity": severity.of_shares(shares, max(seen_shares, previous_shares)).value,
        "state": State.SUSPECTED.value,
    }


def outage_id(place: Place, outage: Outage) -> str:
    """Return an outage's name: the same however often it is looked at."""
    return gap_id(place.venue, outage.scope.value, place.day, outage.start_s)


def add_up(parts: Any) -> Totals:
    """Add up totals as they stand in documents."""
    total = Totals(0, 0, 0)
    for part in parts:
        total = total.plus(Totals(part["trades"], part["shares"], part["value_krw"]))
    return total


def _state_of(children: Sequence[Mapping[str, Any]]) -> State:
    states = {child["state"] for child in children}
    if State.CONTRADICTED in states:
        return State.CONTRADICTED
    if State.OPEN in states:
        return State.OPEN
    return State.RESIDUAL if State.RESIDUAL in states else State.FILLED


def _bare(place: Place, scope: Scope, cause: Cause, name: str) -> dict[str, Any]:
    """Return the fields of a gap that has no shares of its own."""
    return {
        "id": name,
        "parent": None,
        "venue": place.venue,
        "code": None,
        "day": place.day,
        "scope": scope.value,
        "cause": cause.value,
        "levels": ["f"],
        "trades": {"min": 0, "max": 0},
        "sells": 0,
        "buys": 0,
        "shares": 0,
        "value_krw": 0,
        "average_price": "0.0000",
        "backfilled": NOTHING,
        "residual": NOTHING,
        "described_by_bars_shares": 0,
        "duration_s": 0,
    }
