"""Trades that were fetched after they were missed: which of them fill a hole, and what is left (OB-701 to 708).

Theory. A hole is an interval of the volume axis whose shares, won and trades are exact. A fetched row is an interval too,
(acml_vol - cnqn, acml_vol], so it either lies inside a hole or it is refused: nothing is believed that the ledger did
not miss. What the rows do not cover stays missing, and its figures are the hole's minus theirs. A row of the by-time call
carries neither side nor counters; whether it moved the trade count shows when its hole is tiled, because the hole knows
how many counted trades it lost.

Recorded trades win: a frame that comes late shrinks the hole, and a fetched row that no longer lies in one counts for
nothing. So the same files and the same journal give the same statement in any order of arrival.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from veritape.observer.axis import Edge, Hole, Reading, Totals, place
from veritape.observer.frames import Trade

PATIENCE_NS: Final = 10_000_000_000
"""Age at which a hole is worth a call in session: a late frame may still fill it for nothing (OB-701)."""

WINDOW_NS: Final = 1_000_000_000
"""Span in which the budget counts calls, nanoseconds."""

BUSY_NS: Final = 100_000_000
"""Pause while a sweep, anchor or token call waits, nanoseconds."""


class Source(StrEnum):
    """Where a fetched trade comes from (OB-705)."""

    REPARSED = "reparsed"
    """A quarantined frame that a later parser reads: every field of the tape."""
    BY_TIME = "by_time"
    """The by-time call: time, price, shares and the running shares only."""


class BackfillReason(StrEnum):
    """Why a fetched row fills nothing."""

    BACKFILL_OVERLAP = "backfill_overlap"
    """Its interval does not lie inside a hole of its line, or inside what other rows left of it (OB-703)."""
    BACKFILL_IMPOSSIBLE = "backfill_impossible"
    """Its time, price or counters cannot lie between the hole's edges (OB-605)."""


class Fetched(NamedTuple):
    """One fetched trade with its provenance; None where the source does not say."""

    code: str
    event_s: int
    """Venue second of the day."""
    price: int
    """Won."""
    shares: int
    chain_shares: int
    """Shares of the day, this trade included."""
    source: Source
    fetched_us: int
    """Wall clock of the answer, or of the reparse, microseconds UTC."""
    gap_id: str
    """Gap that it was fetched for."""
    epoch: int = 0
    """Chain epoch."""
    trade: Trade | None = None
    """The whole record of a reparsed frame."""
    sequence: int | None = None
    """Frame's sequence on its connection, of a reparsed record."""
    record: int | None = None
    """Record's index in its frame."""
    received_us: int | None = None
    """Wall clock at which that frame arrived, microseconds UTC."""

    @property
    def begins(self) -> int:
        """Return the shares of the day before this trade."""
        return self.chain_shares - self.shares


class Refused(NamedTuple):
    """A row that fills nothing."""

    row: Fetched
    reason: BackfillReason


@dataclass
class Filling:
    """A hole and the fetched rows that lie in it."""

    hole: Hole
    rows: list[Fetched] = field(default_factory=list)
    """Accepted, by rising shares."""
    refused: list[Refused] = field(default_factory=list)

    @property
    def left_open(self) -> list[tuple[int, int]]:
        """Return the intervals of the volume axis that nothing covers, rising."""
        spans, at = [], self.hole.left.chain_shares
        for row in self.rows:
            if row.begins > at:
                spans.append((at, row.begins))
            at = row.chain_shares
        end = self.hole.right.chain_shares
        return [*spans, (at, end)] if at < end else spans

    @property
    def shares_left(self) -> int:
        """Return the shares that nothing covers."""
        return self.hole.totals.shares - sum(row.shares for row in self.rows)

    @property
    def backfilled(self) -> Totals:
        """Return what the rows hold; a by-time row is counted as far as the hole lost counted trades."""
        known = sum(row.trade.counted for row in self.rows if row.trade is not None)
        unknown = sum(row.trade is None for row in self.rows)
        most = self.hole.totals.trades - known
        counted = known + max(0, min(unknown, most))
        value = sum(row.price * row.shares for row in self.rows)
        return Totals(counted, sum(row.shares for row in self.rows), value)

    @property
    def residual(self) -> Totals:
        """Return what is still missing."""
        whole, got = self.hole.totals, self.backfilled
        return Totals(whole.trades - got.trades, whole.shares - got.shares, whole.value_krw - got.value_krw)

    @property
    def contradicts(self) -> bool:
        """Tell whether hole and rows cannot both be true (OB-707): tiled, and yet won or trades are left."""
        trades, shares, value = self.residual
        if shares == 0:
            return trades != 0 or value != 0
        return value <= 0 or not 0 <= trades <= shares

    @property
    def tiled(self) -> bool:
        """Tell whether nothing is missing any more: shares, won and trades are all zero (OB-707)."""
        return self.residual == Totals(0, 0, 0)


def fill(hole: Hole, rows: Iterable[Fetched]) -> Filling:
    """Lay rows into a hole; reparsed ones first, because they carry the counters.

    Args:
        hole: of the ledger as it is now.
        rows: of the same line and epoch, in any order, known ones among them.
    """
    filling = Filling(hole)
    for row in sorted(rows, key=_order):
        place_at = bisect_left(filling.rows, row.chain_shares, key=_end)
        reason = _refusal(filling, row, place_at)
        if reason is None:
            filling.rows.insert(place_at, row)
        else:
            filling.refused.append(Refused(row, reason))
    return filling


def fill_all(holes: Sequence[Hole], rows: Sequence[Fetched]) -> list[Filling]:
    """Lay a line's rows into its holes, each row offered to the one hole that may hold it."""
    fillings, index = [], 0
    in_order = sorted(rows, key=lambda row: row.chain_shares)
    for hole in holes:
        while index < len(in_order) and in_order[index].chain_shares <= hole.left.chain_shares:
            index += 1
        first = index
        while index < len(in_order) and in_order[index].chain_shares <= hole.right.chain_shares:
            index += 1
        fillings.append(fill(hole, in_order[first:index]))
    return fillings


def _order(row: Fetched) -> tuple[bool, int, int]:
    return row.source is Source.BY_TIME, row.chain_shares, row.fetched_us


def _end(row: Fetched) -> int:
    return row.chain_shares


def _refusal(filling: Filling, row: Fetched, place_at: int) -> BackfillReason | None:
    hole, rows = filling.hole, filling.rows
    below = rows[place_at - 1].chain_shares if place_at else hole.left.chain_shares
    above = rows[place_at].begins if place_at < len(rows) else hole.right.chain_shares
    if row.shares <= 0 or row.begins < below or row.chain_shares > above:
        return BackfillReason.BACKFILL_OVERLAP
    if row.price <= 0 or not hole.left.event_s <= row.event_s <= hole.right.event_s:
        return BackfillReason.BACKFILL_IMPOSSIBLE
    if row.trade is not None and not _fits(hole, row.trade):
        return BackfillReason.BACKFILL_IMPOSSIBLE
    return None


def _fits(hole: Hole, trade: Trade) -> bool:
    """Tell whether a reparsed record's counters lie between the hole's edges (OB-605)."""
    placed = place(trade, trade.counted)
    sides = ((hole.left, placed.before), (placed.after, hole.right))
    return all(_possible(before, after) for before, after in sides)


def _possible(before: Edge, after: Edge) -> bool:
    return Hole(before, after, 0).reading is not Reading.CHAIN_CONTRADICTION


@dataclass
class Budget:
    """How often the backfill may call while others trade (OB-708)."""

    share: float
    """Part of the permits in session, 0 to 0.5."""
    permits: int
    """Requests of a sliding second."""
    _calls: list[int] = field(default_factory=list)

    def wait_ns(self, now_ns: int, *, others_wait: bool) -> int:
        """Return how long to wait before asking again; 0 grants a call now and counts it.

        Args:
            now_ns: monotonic clock.
            others_wait: a sweep, an anchor or a token call waits for a permit.
        """
        if others_wait:
            return BUSY_NS
        self._calls = [call for call in self._calls if now_ns - call < WINDOW_NS]
        if len(self._calls) >= self.calls_a_second:
            return self._calls[0] + WINDOW_NS - now_ns
        self._calls.append(now_ns)
        return 0

    @property
    def calls_a_second(self) -> int:
        """Return the calls of a sliding second: none for a share of 0, else at least one."""
        return max(1, int(self.share * self.permits)) if self.share else 0
