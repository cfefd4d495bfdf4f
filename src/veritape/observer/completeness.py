"""The completeness ledger of one line: what was recorded, what is missing, exactly (OB-601 to 614).

Theory. Every trade carries the running totals of its symbol's day *after* it: V shares, M won, S seller- and B
buyer-initiated trades. A trade of v shares therefore occupies the half-open interval (V - v, V] of the line's volume
axis, and the day's trades tile (0, V_end] without overlap. Recorded trades are covered intervals; lost trades are holes
whose bounds, shares, won and trade counts follow from the totals on both sides; a duplicate is an equal interval; a late
frame falls into a hole; the order of arrival does not matter. No timer is needed to know that something is missing.

Neighbouring intervals that join are merged into runs (``axis``), so memory follows the holes and not the trades. A record that
contradicts its neighbours is held until its successor tells which of them is wrong (OB-610); records that overlap what
is known are held for some seconds, and three that join among themselves mean that the broker's counter restarted: a new
chain epoch with an axis of its own (OB-605).
"""

from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

from veritape.observer.axis import SELL, Axis, Edge, Hole, Placed, Reading, Totals, place
from veritape.observer.frames import Trade
from veritape.observer.recent_trades import KEPT, RecentTrades

HOLD_NS: Final = 5_000_000_000
"""How long overlapping records wait for company before they are refused."""

EPOCH_RECORDS: Final = 3
"""Overlapping records that join among themselves and so prove a restarted counter."""

LIMIT_TENTHS: Final = (7, 13)
"""Daily price limits, tenths of the reference price: a hole's average price lies between them."""


class Outcome(StrEnum):
    """What became of a record."""

    RECORDED = "recorded"
    """It extends the tape, with or without a hole before it."""
    LATE = "late"
    """It fell into a hole and is recorded."""
    DUPLICATE = "duplicate"
    """It was recorded before and is dropped."""
    HELD = "held"
    """It waits for a record that explains it."""
    OLD = "old"
    """It lies where trades were recorded that are no longer kept here: the caller says whether it is one of them."""


class Problem(StrEnum):
    """What a line may suffer beside holes."""

    RECORD_CONTRADICTION = "record_contradiction"
    """A record's own price or volume is wrong; it is refused and its interval is a hole."""
    CHAIN_CONTRADICTION = "chain_contradiction"
    """Counters disagree and no single record explains it."""
    CHAIN_OVERLAP = "chain_overlap"
    """A record overlaps what is recorded and is no duplicate."""
    COUNT_RULE_BROKEN = "count_rule_broken"
    """A joined pair moved the trade counts otherwise than its codes say."""
    VALUE_SUSPECT = "value_suspect"
    """A hole's average price lies outside the day's limits; kept, flagged."""


class Held(NamedTuple):
    """A record that waits."""

    trade: Trade
    received_ns: int
    """Wall clock of its arrival."""
    sequence: int
    """Its frame's sequence on the connection."""
    record: int
    """Its index in the frame."""


class Verdict(NamedTuple):
    """What a record did to the line."""

    outcome: Outcome
    opened_hole: bool
    """Whether a hole appeared before it."""
    epoch: int
    """Chain epoch that it belongs to."""
    counted: bool = True
    """Whether it moved S + B, as observed."""
    released: tuple[Held, ...] = ()
    """Held records that this one explained: they are recorded now, ``counted`` as observed."""


class Joined(NamedTuple):
    """Trades that join one another, in order."""

    trades: int
    """How many."""
    counted: int
    """How many of them moved S + B."""
    shares: int
    """Sum."""
    value_krw: int
    """Sum of price times shares."""
    end: Edge
    """The totals after the last."""
    packed: bytes
    """One ``recent_trades.PACKED`` each."""


class Line:
    """The ledger of one code on one day."""

    def __init__(self, code: str, day: str, reference_price: int = 0) -> None:
        self.code = code
        self.day = day
        self.reference_price = reference_price
        """Base price in won, 0 when unknown."""
        self.axes = [Axis()]
        """One a chain epoch."""
        self.recorded_trades = self.recorded_shares = self.recorded_value_krw = 0
        """Sums of the recorded trades, from their own price and size."""
        self.uncounted = 0
        """Recorded trades that did not move the counts."""
        self.joined = 0
        """Pairs without a hole between them."""
        self.duplicates = 0
        self.late = 0
        self.problems: dict[Problem, int] = {}
        """What went wrong, how often."""
        self.trades_exact = True
        """False once the counting rule was broken."""
        self._recent = RecentTrades()
        self._suspect: Trade | None = None
        self._overlaps: list[Held] = []

    @property
    def recorded(self) -> Totals:
        """Return the sums of the recorded trades."""
        return Totals(self.recorded_trades, self.recorded_shares, self.recorded_value_krw)

    @property
    def axis(self) -> Axis:
        """Return the present epoch's axis."""
        return self.axes[-1]

    @property
    def end(self) -> Edge:
        """Return the right edge of the last record."""
        return self.axis.end

    def receive(self, trade: Trade, received_ns: int, sequence: int = 0, record: int = 0) -> Verdict:
        """Take one record, of a frame and an index in it; the table of OB-604 decides."""
        if self._overlaps:
            self.settle(received_ns)
        if self._is_repeated(trade):
            self.duplicates += 1
            return self._verdict(Outcome.DUPLICATE)
        if self._joins(trade):
            return self._join(trade)
        if trade.chain_shares - trade.shares < self.end.chain_shares:
            return self._overlapping(Held(trade, received_ns, sequence, record))
        return self._at_end(trade, received_ns)

    @property
    def is_plain(self) -> bool:
        """Tell whether nothing is held and the counter never restarted: then what joins the end is recorded."""
        return len(self.axes) == 1 and self._suspect is None and not self._overlaps

    def extend(self, joined: Joined) -> None:
        """Record trades that join the end of a plain line and one another: what ``receive`` does with each of them."""
        self.joined += joined.trades
        self.recorded_trades += joined.counted
        self.uncounted += joined.trades - joined.counted
        self.recorded_shares += joined.shares
        self.recorded_value_krw += joined.value_krw
        self.axes[-1].runs[-1].right = joined.end
        self._recent.extend(joined.packed)

    def settle(self, now_ns: int, *, at_end: bool = False) -> None:
        """Refuse overlapping records that waited too long; at the day's end every held record."""
        waiting = [held for held in self._overlaps if not at_end and now_ns - held.received_ns < HOLD_NS]
        self._blame(Problem.CHAIN_OVERLAP, len(self._overlaps) - len(waiting))
        self._overlaps = waiting
        if at_end and self._suspect is not None:
            self._suspect = None
            self._blame(Problem.CHAIN_CONTRADICTION)

    def _is_repeated(self, trade: Trade) -> bool:
        """Tell whether a trade is recorded already; behind the end of the only axis none is."""
        if trade.chain_shares > self.axes[-1].runs[-1].right.chain_shares and len(self.axes) == 1:
            return False
        return (trade.chain_shares, trade.shares, trade.price) in self._recent

    def _joins(self, trade: Trade) -> bool:
        """Tell whether a record continues the last run as its own codes say; most do, so this is plain arithmetic."""
        chain_shares, chain_value, sells, buys, _ = self.axes[-1].runs[-1].right
        counted = trade.counted
        sold = counted and trade.side == SELL
        return (
            trade.chain_shares - trade.shares == chain_shares
            and trade.chain_value - trade.price * trade.shares == chain_value
            and trade.sells - sold == sells
            and trade.buys - counted + sold == buys
            and self._suspect is None
        )

    def _join(self, trade: Trade) -> Verdict:
        """Record a trade that joins: what ``_at_end`` would do, in fewer steps."""
        _, event_s, price, shares, chain_shares, chain_value, sells, buys, _, counted, _, _ = trade
        self.joined += 1
        edge = (chain_shares, chain_value, sells, buys, event_s)
        self.axes[-1].runs[-1].right = _new(Edge, edge)
        if counted:
            self.recorded_trades += 1
        else:
            self.uncounted += 1
        self.recorded_shares += shares
        self.recorded_value_krw += price * shares
        self._recent.add(chain_shares, shares, price)
        verdict = (Outcome.RECORDED, False, len(self.axes) - 1, counted, ())
        return _new(Verdict, verdict)

    def _at_end(self, trade: Trade, received_ns: int) -> Verdict:
        if self._suspect is not None:  # a late record says nothing of it: only its successor can tell
            self._judge_suspect(self._suspect, trade)
        placed = self._placed(trade)
        gap = Hole(self.end, placed.before, received_ns)
        if gap.reading is Reading.CHAIN_CONTRADICTION:
            self._suspect = trade
            return self._verdict(Outcome.HELD)
        opened = gap.reading is not Reading.JOINED
        if opened and not self._plausible(gap.totals):
            self._blame(Problem.VALUE_SUSPECT)
        self.joined += not opened
        self.axis.append(placed, received_ns)
        counted = self._count(trade, placed)
        return self._verdict(Outcome.RECORDED, opened_hole=opened)._replace(counted=counted)

    def _placed(self, trade: Trade) -> Placed:
        """Place a record behind the end; of a joined pair the counts say whether it was counted (OB-602)."""
        joins = trade.chain_shares - trade.shares == self.end.chain_shares
        moved = trade.sells + trade.buys - self.end.trades
        if joins and moved in {0, 1} and bool(moved) != trade.counted:
            placed = place(trade, bool(moved))
            if placed.before[:4] == self.end[:4]:
                self._blame(Problem.COUNT_RULE_BROKEN)
                self.trades_exact = False
                return placed
        return place(trade, trade.counted)

    def _overlapping(self, record: Held) -> Verdict:
        placed = place(record.trade, record.trade.counted)
        return self._verdict(Outcome.OLD) if self._is_long_known(placed) else self.overlap(record)

    def repeat(self) -> None:
        """Count an old record that is one of those recorded."""
        self.duplicates += 1

    def overlap(self, record: Held) -> Verdict:
        """Take a record that begins below the end: late, held, or the third of a new epoch.

        An old one that is none of those recorded comes here by its caller.
        """
        trade = record.trade
        placed = place(trade, trade.counted)
        if self.axis.insert(placed, record.received_ns):
            self.late += 1
            counted = self._count(trade, placed)
            return self._verdict(Outcome.LATE)._replace(counted=counted)
        self._overlaps.append(record)
        if not self._is_new_epoch():
            return self._verdict(Outcome.HELD)
        held, self._overlaps = self._overlaps[-EPOCH_RECORDS:], self._overlaps[:-EPOCH_RECORDS]
        self.axes.append(Axis())
        verdicts = [self._at_end(one.trade, one.received_ns) for one in held]
        released = tuple(
            one._replace(trade=one.trade._replace(counted=verdict.counted))
            for one, verdict in zip(held[:-1], verdicts[:-1], strict=True)
            if verdict.outcome is Outcome.RECORDED
        )
        return verdicts[-1]._replace(released=released)

    def _is_long_known(self, placed: Placed) -> bool:
        """Tell whether a record repeats a part of the tape whose trades are no longer kept (OB-645).

        Its venue second is the tape's own, which tells a repetition from a restarted counter: that one goes on in time.
        """
        if len(self._recent) < KEPT or placed.after.event_s > self.end.event_s:
            return False
        first, last = placed.before.chain_shares, placed.after.chain_shares
        return not self._recent.overlaps(first, last) and self.axis.covers(placed)

    def _is_new_epoch(self) -> bool:
        """Tell whether the newest held records join among themselves: the counter restarted.

        A stray record before them stays held and is refused on its own.
        """
        held = [place(one.trade, one.trade.counted) for one in self._overlaps[-EPOCH_RECORDS:]]
        joined = all(a.after[:4] == b.before[:4] for a, b in pairwise(held))
        return len(held) == EPOCH_RECORDS and joined

    def _judge_suspect(self, suspect: Trade, trade: Trade) -> None:
        """Decide a contradiction by the record that follows it (OB-610)."""
        self._suspect = None
        after = Edge(suspect.chain_shares, suspect.chain_value, suspect.sells, suspect.buys, 0)
        placed = place(trade, trade.counted)
        across = Hole(self.end, placed.before, 0)
        explained = placed.before[:4] == after[:4] and across.totals.trades == 1
        consistent = across.reading is not Reading.CHAIN_CONTRADICTION
        self._blame(Problem.RECORD_CONTRADICTION if explained and consistent else Problem.CHAIN_CONTRADICTION)

    def _count(self, trade: Trade, placed: Placed) -> bool:
        counted = placed.after.trades - placed.before.trades
        self.recorded_trades += counted
        self.recorded_shares += trade.shares
        self.recorded_value_krw += trade.price * trade.shares
        self.uncounted += 1 - counted
        self._recent.add(trade.chain_shares, trade.shares, trade.price)
        return bool(counted)

    def _plausible(self, missing: Totals) -> bool:
        low, high = (tenths * self.reference_price * missing.shares for tenths in LIMIT_TENTHS)
        return not self.reference_price or low <= 10 * missing.value_krw <= high

    def _blame(self, problem: Problem, times: int = 1) -> None:
        if times:
            self.problems[problem] = self.problems.get(problem, 0) + times

    def _verdict(self, outcome: Outcome, *, opened_hole: bool = False) -> Verdict:
        return Verdict(outcome, opened_hole, len(self.axes) - 1)


_new: Final = tuple.__new__
