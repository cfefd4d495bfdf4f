"""The volume axis of a line: where trades lie, what tiles, what is missing between (OB-601 to 605).

A trade of v shares after which V shares were traded occupies (V - v, V], and the running totals say the same of won and
counted trades. Trades that tile are merged into runs; between two runs lies a hole, whose totals are the difference of its
edges. ``completeness`` decides what becomes of a record; here is only where it lies.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

from veritape.observer.frames import Trade

SELL: Final = 5
"""Side code of a seller-initiated trade."""


class Reading(StrEnum):
    """What the totals of two neighbours say (OB-604)."""

    JOINED = "joined"
    """Nothing lies between them."""
    TRADES_MISSING = "trades_missing"
    """That many counted trades of that many shares are missing."""
    UNCOUNTED_MISSING = "uncounted_missing"
    """Shares without counted trades are missing: an auction or off-book print."""
    CHAIN_CONTRADICTION = "chain_contradiction"
    """The counters disagree with each other: impossible on a true tape."""


class Totals(NamedTuple):
    """Trades, shares and won: the three quantities in which a line closes."""

    trades: int
    shares: int
    value_krw: int

    def plus(self, other: "Totals") -> "Totals":
        """Return the sum, quantity by quantity."""
        return Totals(
            self.trades + other.trades, self.shares + other.shares, self.value_krw + other.value_krw
        )


ZERO: Final = Totals(0, 0, 0)
"""Nothing."""


class Edge(NamedTuple):
    """The running totals at one place of the volume axis."""

    chain_shares: int
    """V."""
    chain_value: int
    """M."""
    sells: int
    """S."""
    buys: int
    """B."""
    event_s: int
    """Venue second of the record that stands here."""

    @property
    def trades(self) -> int:
        """Return S + B."""
        return self.sells + self.buys


START: Final = Edge(0, 0, 0, 0, 0)
"""The beginning of the day: nothing has traded."""


class Hole(NamedTuple):
    """Missing trades between two edges (OB-603)."""

    left: Edge
    right: Edge
    found_ns: int
    """Wall clock at which the record to the right arrived; 0 at the day's start."""

    @property
    def totals(self) -> Totals:
        """Return what is missing."""
        return Totals(
            self.right.trades - self.left.trades,
            self.right.chain_shares - self.left.chain_shares,
            self.right.chain_value - self.left.chain_value,
        )

    @property
    def sells(self) -> int:
        """Return the missing seller-initiated trades."""
        return self.right.sells - self.left.sells

    @property
    def reading(self) -> Reading:
        """Return what the table of OB-604 says of these edges."""
        trades, shares, value = self.totals
        if shares == 0:
            return Reading.JOINED if value == 0 and trades == 0 else Reading.CHAIN_CONTRADICTION
        if shares < 0 or value <= 0 or not 0 <= trades <= shares or not 0 <= self.sells <= trades:
            return Reading.CHAIN_CONTRADICTION
        return Reading.TRADES_MISSING if trades else Reading.UNCOUNTED_MISSING


@dataclass
class Run:
    """Trades that tile (left, right] without a hole."""

    left: Edge
    right: Edge
    found_ns: int
    """Wall clock of the record that began it."""


class Placed(NamedTuple):
    """A record's interval, with the totals before and after it."""

    before: Edge
    after: Edge


def place(trade: Trade, counted: bool) -> Placed:
    """Return where a trade lies on the axis, given whether it moved S + B."""
    after = Edge(trade.chain_shares, trade.chain_value, trade.sells, trade.buys, trade.event_s)
    sold = int(counted and trade.side == SELL)
    before = Edge(
        trade.chain_shares - trade.shares,
        trade.chain_value - trade.price * trade.shares,
        trade.sells - sold,
        trade.buys - (int(counted) - sold),
        trade.event_s,
    )
    return Placed(before, after)


@dataclass
class Axis:
    """One chain epoch's volume axis."""

    runs: list[Run] = field(default_factory=lambda: [Run(START, START, 0)])
    """By rising volume; the first begins at the day's start and may be empty."""

    @property
    def end(self) -> Edge:
        """Return the right edge of the last record."""
        return self.runs[-1].right

    def holes(self) -> list[Hole]:
        """Return the holes by rising volume."""
        return [Hole(a.right, b.left, b.found_ns) for a, b in pairwise(self.runs)]

    def covers(self, placed: Placed) -> bool:
        """Tell whether an interval and its totals lie inside what is recorded."""
        index = bisect_right(self.runs, placed.before.chain_shares, key=lambda run: run.left.chain_shares)
        if index == 0:
            return False
        run = self.runs[index - 1]
        lower = zip(run.left[:4], placed.before[:4], strict=True)
        upper = zip(placed.after[:4], run.right[:4], strict=True)
        return all(low <= high for low, high in (*lower, *upper))

    def append(self, placed: Placed, found_ns: int) -> None:
        """Add an interval at or behind the end."""
        if placed.before[:4] == self.end[:4]:
            self.runs[-1].right = placed.after
        else:
            self.runs.append(Run(placed.before, placed.after, found_ns))

    def insert(self, placed: Placed, found_ns: int) -> bool:
        """Add an interval inside a hole; False when it does not fit one (OB-605)."""
        index = bisect_right(self.runs, placed.before.chain_shares, key=lambda run: run.left.chain_shares)
        if index == 0 or index == len(self.runs):
            return False
        left, right = self.runs[index - 1], self.runs[index]
        if not _within(left.right, placed, right.left):
            return False
        joins_left, joins_right = placed.before[:4] == left.right[:4], placed.after[:4] == right.left[:4]
        if joins_left and joins_right:
            left.right = right.right
            del self.runs[index]
        elif joins_left:
            left.right = placed.after
        elif joins_right:
            right.left = placed.before
        else:
            self.runs.insert(index, Run(placed.before, placed.after, found_ns))
        return True


def _within(left: Edge, placed: Placed, right: Edge) -> bool:
    """Tell whether an interval and its totals lie between a hole's edges, and both remainders stay possible."""
    before, after = Hole(left, placed.before, 0), Hole(placed.after, right, 0)
    return (
        before.reading is not Reading.CHAIN_CONTRADICTION
        and after.reading is not Reading.CHAIN_CONTRADICTION
        and left.event_s <= placed.after.event_s <= right.event_s
    )
