"""A symbol and its days: sums, watched spans, fetched trades, the clocks' difference (OB-902 to 907).

A line is a symbol on a UTC day. What is recorded and what is fetched afterwards are counted apart, in trades, quantity and
value; the ids that both cover lie on one axis.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

from veritape.observer.binance.answers import Aggregate, Bar
from veritape.observer.binance.books import Book
from veritape.observer.binance.messages import Trade
from veritape.observer.binance.trade_ids import DAY_US, Axis, Outcome, Point, day_start_us, utc_day
from veritape.observer.gaps import Cause

RECENT_TRADES: Final = 16_384
"""Trades of a symbol whose quantity is remembered, so that an aggregate that is known in part can be divided."""

MINUTE_US: Final = 60_000_000
"""Microseconds of a minute."""


class Problem(StrEnum):
    """What a line may suffer beside holes."""

    TIME_WENT_BACK = "time_went_back"
    """A trade is older than one with a smaller id."""
    FILL_UNDIVIDED = "fill_undivided"
    """A fetched aggregate is known in part and the known part is no longer remembered: left out."""
    FILL_CONTRADICTION = "fill_contradiction"
    """A fetched aggregate disagrees with what was recorded of it: left out."""
    DAY_START_CONTRADICTION = "day_start_contradiction"
    """The venue names another first trade of the day than the stream showed."""
    BAR_CONTRADICTION = "bar_contradiction"
    """A bar holds less than what was recorded and fetched of its minute."""


class Totals(NamedTuple):
    """Trades, quantity times 10^8, and value times 10^16."""

    trades: int
    quantity: int
    value: int

    def plus(self, other: "Totals") -> "Totals":
        """Return the sum, quantity by quantity."""
        return Totals(self.trades + other.trades, self.quantity + other.quantity, self.value + other.value)


ZERO: Final = Totals(0, 0, 0)
"""Nothing."""


class Span(NamedTuple):
    """A time in which a symbol was watched, or something was amiss: our wall clock."""

    start_ns: int
    end_ns: int | None
    """None while it lasts."""
    cause: Cause | None
    """Why it ended."""


class Filled(NamedTuple):
    """Trades that were fetched: an aggregate, or the part of it that was missing."""

    code: str
    first_id: int
    last_id: int
    trades: int
    """How many were missing; below last - first + 1 where recorded ones lie between."""
    event_us: int
    price: int
    quantity: int
    """Of the missing ones together."""
    side: int
    aggregate_id: int
    fetched_us: int
    """Wall clock of the answer."""
    single: bool
    """Whether it was fetched as a trade of its own: its quantity is that trade's."""
    left_id: int
    """Last known trade before the hole when it opened: names the gap."""


class Cursor(NamedTuple):
    """Where a page of fetched trades ended."""

    trade_id: int
    """Its last trade."""
    next_aggregate: int | None
    """Id of the aggregate that follows; None after single trades."""


@dataclass
class Skew:
    """Receive time less the venue's sending time, microseconds: below 0 where our clock is behind (OB-907)."""

    samples: int = 0
    total_us: int = 0
    least_us: int = 0
    most_us: int = 0

    def add(self, difference_us: int) -> None:
        """Take one message."""
        self.least_us = min(self.least_us, difference_us) if self.samples else difference_us
        self.most_us = max(self.most_us, difference_us) if self.samples else difference_us
        self.samples += 1
        self.total_us += difference_us


@dataclass
class Line:
    """A symbol on one UTC day."""

    code: str
    day: str
    recorded: Totals = ZERO
    backfilled: Totals = ZERO
    last: Point | None = None
    """The recorded or fetched trade of the day with the highest id."""
    duplicates: int = 0
    late: int = 0
    problems: dict[Problem, int] = field(default_factory=dict)
    minutes: dict[int, Totals] = field(default_factory=dict)
    """Minute of the epoch -> what is recorded and fetched of it."""
    bars: dict[int, Bar] = field(default_factory=dict)
    """Minute of the epoch -> the venue's bar, where one was asked for."""
    skew: Skew = field(default_factory=Skew)

    def blame(self, problem: Problem) -> None:
        """Count a problem."""
        self.problems[problem] = self.problems.get(problem, 0) + 1

    def add(self, point: Point, totals: Totals, *, fetched: bool) -> None:
        """Count trades that were recorded or fetched."""
        if fetched:
            self.backfilled = self.backfilled.plus(totals)
        else:
            self.recorded = self.recorded.plus(totals)
        if self.last is None or point.trade_id > self.last.trade_id:
            self.last = point
        minute = point.event_us // MINUTE_US
        self.minutes[minute] = self.minutes.get(minute, ZERO).plus(totals)


@dataclass
class Symbol:
    """Everything of one symbol."""

    code: str
    axis: Axis = field(default_factory=Axis)
    """Its trade ids, over all days in memory."""
    book: Book = field(default_factory=Book)
    lines: dict[str, Line] = field(default_factory=dict)
    """Day -> line."""
    watches: list[Span] = field(default_factory=list)
    """When it was watched."""
    tips: dict[str, Point] = field(default_factory=dict)
    """Day -> the newest trade of the day that the venue named."""
    cursor: Cursor | None = None
    """Where the newest page of fetched trades ended."""
    _recent: dict[int, tuple[int, int]] = field(default_factory=dict)
    _openings: dict[int, int] = field(default_factory=dict)

    def gap_left(self, left: Point, right: Point) -> int:
        """Return the trade before a hole when it opened: it stays when the hole is filled from the left."""
        return self._openings.get(right.trade_id, left.trade_id)

    def line(self, day: str) -> Line:
        """Return a day's line, opened when it is new."""
        if day not in self.lines:
            self.lines[day] = Line(self.code, day)
        return self.lines[day]

    def receive(self, trade: Trade, received_ns: int) -> tuple[Outcome, bool]:
        """Take a trade of the stream; say what became of it, and whether a hole opened before it."""
        line = self.line(utc_day(trade.event_us))
        before, point = self.axis.end, Point(trade.trade_id, trade.event_us, received_ns)
        outcome, opened = self.axis.receive(point)
        if outcome is Outcome.DUPLICATE:
            line.duplicates += 1
            return outcome, opened
        line.late += outcome is Outcome.LATE
        if opened and before is not None:
            self._openings[point.trade_id] = before.trade_id
        if outcome is Outcome.RECORDED and before is not None and trade.event_us < before.event_us:
            line.blame(Problem.TIME_WENT_BACK)
        line.add(point, Totals(1, trade.quantity, trade.price * trade.quantity), fetched=False)
        line.skew.add(received_ns // 1000 - trade.sent_us)
        self._remember(trade.trade_id, trade.price, trade.quantity)
        return outcome, opened

    def tip(self, aggregate: Aggregate, received_ns: int) -> None:
        """Take the venue's newest trade: what the recording begins after, and must reach."""
        point = Point(aggregate.last_id, aggregate.event_us, received_ns)
        day = utc_day(aggregate.event_us)
        if day not in self.tips or self.tips[day].trade_id < point.trade_id:
            self.tips[day] = point
        self.axis.begin(point)

    def ended(self, newest: Sequence[Aggregate], moment_us: int, received_ns: int) -> bool:
        """Take the venue's newest trades after the stream's end; False where they do not tell where it ended.

        Up to the venue's time of the stream's last message the stream should have brought every trade; what traded later is
        no part of the recording. Answers that are behind the stream, or do not reach back to that time, say nothing.
        """
        due = [one for one in newest if one.event_us <= moment_us]
        end = self.axis.end
        if not due or end is None or newest[-1].last_id < end.trade_id:
            return False
        last = Point(due[-1].last_id, due[-1].event_us, received_ns)
        point = end if end.trade_id >= last.trade_id else last
        self.tips[utc_day(point.event_us)] = point
        self.line(utc_day(point.event_us))
        return True

    def see_days(self, rows: Sequence[Aggregate]) -> None:
        """Take where days begin in what the venue answered: between two rows whose ids follow each other."""
        for before, after in pairwise(rows):
            if before.last_id + 1 == after.first_id and before.event_us // DAY_US < after.event_us // DAY_US:
                self.begins(after)

    def begins(self, aggregate: Aggregate) -> None:
        """Take the venue's first trade at or after the start of some day: it is the first of its own day."""
        day = utc_day(aggregate.event_us)
        known = self.axis.day_starts.setdefault(day, aggregate.first_id)
        if known != aggregate.first_id:
            self.line(day).blame(Problem.DAY_START_CONTRADICTION)

    def fill(self, aggregate: Aggregate, received_ns: int, *, single: bool = False) -> Filled | None:
        """Take fetched trades; return what was missing of them, None where nothing was or it cannot be told."""
        spans = self.axis.missing(aggregate.first_id, aggregate.last_id)
        missing = sum(last - first + 1 for first, last in spans)
        if not missing:
            return None
        line = self.line(utc_day(aggregate.event_us))
        quantity = self._part(aggregate, spans, line) if missing < aggregate.trades else aggregate.quantity
        if quantity is None:
            return None
        hole = next(hole for hole in self.axis.holes() if hole.last_id >= spans[0][0])
        left_id = self.gap_left(hole.left, hole.right)
        ends = [
            (Point(first, aggregate.event_us, received_ns), Point(last, aggregate.event_us, received_ns))
            for first, last in spans
        ]
        for first, last in ends:
            self.axis.insert(first, last)
        line.add(ends[-1][1], Totals(missing, quantity, aggregate.price * quantity), fetched=True)
        if aggregate.trades == 1:
            self._remember(aggregate.first_id, aggregate.price, quantity)
        return Filled(
            self.code, spans[0][0], spans[-1][1], missing, aggregate.event_us, aggregate.price, quantity,
            aggregate.side, aggregate.aggregate_id, received_ns // 1000, single, left_id,
        )  # fmt: skip

    def describe(self, bar: Bar) -> None:
        """Take a bar of a minute that a hole touches."""
        line, minute = self.line(utc_day(bar.open_us)), bar.open_us // MINUTE_US
        line.bars[minute] = bar
        known = line.minutes.get(minute, ZERO)
        if bar.trades < known.trades or bar.quantity < known.quantity:
            line.blame(Problem.BAR_CONTRADICTION)

    def forget_before(self, day: str) -> None:
        """Drop what days before one that is closed need: memory does not grow with days."""
        for table in (self.lines, self.tips):
            for old in [one for one in table if one < day]:
                del table[old]
        start = self.axis.day_starts.get(day)
        if start is not None:
            self.axis.forget_before(start - 1)
        holes = {hole.right.trade_id for hole in self.axis.holes()}
        self._openings = {right: left for right, left in self._openings.items() if right in holes}
        self.book.forget_before(day_start_us(day))
        self.axis.day_starts = {one: first for one, first in self.axis.day_starts.items() if one >= day}

    def _part(self, aggregate: Aggregate, spans: list[tuple[int, int]], line: Line) -> int | None:
        """Return the quantity of the missing part of an aggregate: all of it less what was recorded."""
        missing = {one for first, last in spans for one in range(first, last + 1)}
        known = [one for one in range(aggregate.first_id, aggregate.last_id + 1) if one not in missing]
        if self.axis.end is None or known[-1] > self.axis.end.trade_id:
            return None  # the stream is not that far yet: asked again
        if any(one not in self._recent for one in known):
            line.blame(Problem.FILL_UNDIVIDED)
            return None
        left = aggregate.quantity - sum(self._recent[one][1] for one in known)
        if left < len(missing) or any(self._recent[one][0] != aggregate.price for one in known):
            line.blame(Problem.FILL_CONTRADICTION)
            return None
        return left

    def _remember(self, trade_id: int, price: int, quantity: int) -> None:
        if len(self._recent) >= RECENT_TRADES:
            del self._recent[next(iter(self._recent))]
        self._recent[trade_id] = (price, quantity)
