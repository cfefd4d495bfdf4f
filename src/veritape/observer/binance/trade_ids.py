"""The completeness ledger of one symbol: which trade ids are known, which are missing, exactly (OB-902).

Theory. The venue numbers the trades of a symbol 1, 2, 3 ... without end, so the known trades are a set of integers and
what is missing between two of them is a difference: between neighbours j < k lie k - j - 1 trades. No timer and no second
counter is needed; a duplicate is a number that is in the set, a late trade one inside a hole, and the order of arrival does
not matter. What the numbers do not tell is how much a missing trade moved: a hole's quantity is unknown until every trade
in it has been fetched.

Consecutive ids are merged into runs, so memory follows the holes. The axis goes on over midnight; where a day begins on it
is either seen (two neighbouring ids with their times on different days) or asked of the venue.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

DAY_US: Final = 86_400_000_000
"""Microseconds of a day."""


class Outcome(StrEnum):
    """What became of a trade."""

    RECORDED = "recorded"
    """Its id is higher than any before, with or without a hole between."""
    LATE = "late"
    """It fell into a hole and is recorded."""
    DUPLICATE = "duplicate"
    """Its id is known; it is dropped."""


class Point(NamedTuple):
    """A trade on the axis."""

    trade_id: int
    event_us: int
    """When it traded."""
    received_ns: int
    """When it, or the answer that names it, came: our wall clock."""


class Hole(NamedTuple):
    """The missing trades between two known ones."""

    left: Point
    right: Point

    @property
    def first_id(self) -> int:
        """Return the first missing id."""
        return self.left.trade_id + 1

    @property
    def last_id(self) -> int:
        """Return the last missing id."""
        return self.right.trade_id - 1

    @property
    def trades(self) -> int:
        """Return how many are missing."""
        return self.right.trade_id - self.left.trade_id - 1


@dataclass
class Run:
    """Ids that are known without a hole."""

    first: Point
    last: Point


@dataclass
class Axis:
    """The known ids of one symbol."""

    runs: list[Run] = field(default_factory=list)
    """By rising id."""
    day_starts: dict[str, int] = field(default_factory=dict)
    """Day -> id of its first trade, where it was seen or said by the venue."""
    joined: int = 0
    """Trades that followed the one before without a hole."""
    anchor: Point | None = None
    """The trade before the recording, as the venue named it: known, not recorded."""

    @property
    def end(self) -> Point | None:
        """Return the highest known trade, None before the first."""
        return self.runs[-1].last if self.runs else None

    def receive(self, point: Point) -> tuple[Outcome, bool]:
        """Take one trade; say what became of it, and whether a hole opened before it."""
        end = self.end
        if end is None:
            self.runs.append(Run(point, point))
            return Outcome.RECORDED, False
        if point.trade_id == end.trade_id + 1:
            self.joined += 1
            self._see_day(end, point)
            self.runs[-1].last = point
            return Outcome.RECORDED, False
        if point.trade_id > end.trade_id:
            self.runs.append(Run(point, point))
            return Outcome.RECORDED, True
        return (Outcome.LATE if self.insert(point, point) else Outcome.DUPLICATE), False

    def begin(self, point: Point) -> None:
        """Take the venue's newest trade as the one before the recording, unless it is on the axis (OB-905)."""
        if not self.runs or point.trade_id < self.runs[0].first.trade_id:
            self.anchor = point
            self._place(0, point, point)

    def first_of(self, day: str) -> int | None:
        """Return the id of a day's first trade; of the day on which the recording began, its first; None while unknown."""
        if day in self.day_starts or not self.runs:
            return self.day_starts.get(day)
        begin = self.runs[0].first
        if utc_day(begin.event_us) != day:
            return None
        return begin.trade_id + (self.anchor is not None and self.anchor.trade_id == begin.trade_id)

    def insert(self, first: Point, last: Point) -> bool:
        """Add ids ``first`` to ``last`` inside a hole or before the first run; False when one of them is known."""
        index = bisect_right(self.runs, first.trade_id, key=lambda run: run.first.trade_id)
        after_left = index == 0 or self.runs[index - 1].last.trade_id < first.trade_id
        before_right = index == len(self.runs) or last.trade_id < self.runs[index].first.trade_id
        if after_left and before_right:
            self._place(index, first, last)
        return after_left and before_right

    def holes(self) -> list[Hole]:
        """Return the holes by rising id."""
        return [Hole(a.last, b.first) for a, b in pairwise(self.runs)]

    def missing(self, first_id: int, last_id: int) -> list[tuple[int, int]]:
        """Return the parts of a span of ids that lie in holes, as (first, last)."""
        spans = []
        for hole in self.holes():
            low, high = max(first_id, hole.first_id), min(last_id, hole.last_id)
            if low <= high:
                spans.append((low, high))
        return spans

    def forget_before(self, trade_id: int) -> None:
        """Drop the holes below an id: the days that they belong to are closed and stated."""
        while len(self.runs) > 1 and self.runs[1].first.trade_id <= trade_id:
            del self.runs[0]

    def _place(self, index: int, first: Point, last: Point) -> None:
        self.runs.insert(index, Run(first, last))
        if index + 1 < len(self.runs) and last.trade_id + 1 == self.runs[index + 1].first.trade_id:
            self._join(index)
        if index and self.runs[index - 1].last.trade_id + 1 == first.trade_id:
            self._join(index - 1)

    def _join(self, index: int) -> None:
        left, right = self.runs[index], self.runs.pop(index + 1)
        self._see_day(left.last, right.first)
        left.last = right.last

    def _see_day(self, before: Point, after: Point) -> None:
        if before.event_us // DAY_US < after.event_us // DAY_US:
            self.day_starts[utc_day(after.event_us)] = after.trade_id


def utc_day(event_us: int) -> str:
    """Return the day of a moment, YYYYMMDD: a line is a UTC day (OB-905)."""
    return _day_name(event_us // DAY_US)


@lru_cache(maxsize=8)
def _day_name(day_number: int) -> str:
    return f"{_EPOCH + timedelta(days=day_number):%Y%m%d}"


def day_start_us(day: str) -> int:
    """Return the first microsecond of a day."""
    return int(datetime(int(day[:4]), int(day[4:6]), int(day[6:]), tzinfo=UTC).timestamp()) * 1_000_000


_EPOCH: Final = date(1970, 1, 1)
