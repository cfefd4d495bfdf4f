"""What the gateway reads: sealed trades, completeness, receipts. ``veritape.apps`` joins them with those who write.

Readers may block: they run in a worker thread.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class Segment(NamedTuple):
    """A sealed file with trades of the symbol that was asked for."""

    day: str
    """Business date, YYYYMMDD."""
    name: str
    """Name within the day; names sort in the order of time."""
    digest: str
    """Content hash from the seal."""
    price_scale: int
    """Decimals of its prices."""
    midnight_ns: int
    """Wall clock of the venue's midnight, nanoseconds UTC."""
    first_s: int
    """Earliest venue second that its trades may have."""
    last_s: int
    """Latest one."""
    share_scale: int = 0
    """Decimals of its sizes."""


class Trade(NamedTuple):
    """One sealed trade; prices and values are scaled integers."""

    sequence: int
    record: int
    event_s: int
    """Venue seconds since its midnight."""
    received_us: int
    """Wall clock, microseconds UTC."""
    price: int
    shares: int
    side: int
    counted: bool
    chain_shares: int
    chain_epoch: int
    value_hole: int
    session: str
    sells: int
    buys: int
    event_us: int = 0
    """Microseconds behind ``event_s``, where the venue tells them."""
    trade_id: int | None = None
    """The venue's own number of the trade; where there is one, the running totals are 0 and are not shown."""


class Fetched(NamedTuple):
    """One trade that was missed and fetched afterwards; prices and sizes are scaled integers."""

    event_s: int
    """Venue seconds since its midnight."""
    price: int
    shares: int
    source: str
    """How it came: by the venue's call, or by reading a frame again; never as a recorded trade."""
    fetched_us: int
    """Wall clock of the answer, microseconds UTC."""
    gap_id: str
    """Gap that it belongs to."""
    chain_shares: int = 0
    """Shares of the day, this trade included."""
    chain_epoch: int = 0
    event_us: int = 0
    """Microseconds behind ``event_s``, where the venue tells them."""
    trade_id: int | None = None
    """The venue's own number of the trade, of several together their first; then there are no running totals."""
    last_id: int | None = None
    """Number of the last trade of several together."""


class Totals(NamedTuple):
    """The three quantities in which a line closes."""

    trades: int
    shares: int | None
    """None where a missing trade's size is unknown."""
    value_krw: int | None
    """None likewise."""


class Line(NamedTuple):
    """Completeness of one symbol on one day."""

    code: str
    status: str
    recorded: Totals
    backfilled: Totals
    residual: Totals
    closed: bool
    """Whether the three add up to what the market did."""


class DayCompleteness(NamedTuple):
    """Completeness of a day."""

    closed: bool
    """Every line closes."""
    as_of_ns: int
    """Wall clock of the computation."""
    lines: tuple[Line, ...]
    share_scale: int = 0
    """Decimals of sizes."""
    value_scale: int = 0
    """Decimals of values."""


class TapeReader(Protocol):
    """Sealed trades and the completeness ledger."""

    def days(self) -> Sequence[str]:
        """Return the days that have data, rising."""
        ...

    def is_sealed(self, day: str) -> bool:
        """Tell whether the day's recording is over and sealed."""
        ...

    def segments(self, day: str, symbol: str) -> Sequence[Segment]:
        """Return the sealed files of a day that hold a symbol, by name."""
        ...

    def trades(self, segment: Segment, symbol: str) -> Sequence[Trade]:
        """Return a symbol's trades of one file, in chain order."""
        ...

    def fetched(self, day: str, symbol: str) -> tuple[Segment, Sequence[Fetched]] | None:
        """Return a symbol's fetched trades of a day that were not recorded after all; None without any.

        The segment stands for their files: it sorts behind the sealed ones of the day and has no digest.
        """
        ...

    def completeness(self, day: str) -> DayCompleteness | None:
        """Return the statement of a day, None when nothing was recorded."""
        ...


class Claim(NamedTuple):
    """What a receipt says was computed."""

    program: str
    """Program id."""
    input_digest: str
    journal: str
    """Public output, hexadecimal."""


class Receipt(NamedTuple):
    """One receipt as callers see it."""

    id: str
    kind: str
    """``simulated`` or ``stark``: the type of the receipt, never a wish."""
    day: str
    """Business date that it computes on, YYYYMMDD; empty for none."""
    created_ns: int
    """Wall clock, nanoseconds UTC."""
    file_bytes: int
    claims: tuple[Claim, ...]


class ReceiptReader(Protocol):
    """Receipts of the executor."""

    def receipts(self) -> Sequence[Receipt]:
        """Return every receipt, by id."""
        ...


@dataclass
class MemoryTape:
    """A tape in memory: the fake that every test of the gateway shares."""

    files: Mapping[tuple[str, str], Sequence[tuple[Segment, Sequence[Trade]]]] = field(default_factory=dict)
    """(day, symbol) -> sealed files with their trades."""
    statements: Mapping[str, DayCompleteness] = field(default_factory=dict)
    """Day -> completeness."""
    sealed: frozenset[str] = frozenset()
    """Days whose recording is over."""
    backfilled: Mapping[tuple[str, str], tuple[Segment, Sequence[Fetched]]] = field(default_factory=dict)
    """(day, symbol) -> what was fetched."""

    def days(self) -> Sequence[str]:
        """Return the days that have data, rising."""
        return sorted({day for day, _ in self.files} | set(self.statements))

    def is_sealed(self, day: str) -> bool:
        """Tell whether the day's recording is over and sealed."""
        return day in self.sealed

    def segments(self, day: str, symbol: str) -> Sequence[Segment]:
        """Return the sealed files of a day that hold a symbol, by name."""
        return [segment for segment, _ in self.files.get((day, symbol), ())]

    def trades(self, segment: Segment, symbol: str) -> Sequence[Trade]:
        """Return a symbol's trades of one file, in chain order."""
        return dict(self.files[segment.day, symbol])[segment]

    def fetched(self, day: str, symbol: str) -> tuple[Segment, Sequence[Fetched]] | None:
        """Return a symbol's fetched trades of a day that were not recorded after all; None without any."""
        return self.backfilled.get((day, symbol))

    def completeness(self, day: str) -> DayCompleteness | None:
        """Return the statement of a day, None when nothing was recorded."""
        return self.statements.get(day)


@dataclass
class MemoryReceipts:
    """Receipts in memory."""

    all: Sequence[Receipt] = ()

    def receipts(self) -> Sequence[Receipt]:
        """Return every receipt, by id."""
        return self.all
