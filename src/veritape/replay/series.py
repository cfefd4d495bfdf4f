"""A symbol's day as the broker knows it: every trade with the running totals after it.

The rows come from a Lean trade file or a plain CSV (OB-805, OB-815). Times are moved by half an hour, so that New
York's 09:30 is Seoul's 09:00; prices stay the file's integers and are read as won; sides follow the tick rule.
"""

import io
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from veritape.kernel.errors import MisuseError

OPEN_MS: Final = 9 * 3_600_000
"""The open in Seoul, milliseconds since midnight."""

FIRST_MS: Final = 34_200_000
"""First played millisecond in New York, 09:30:00."""

END_MS: Final = 57_720_000
"""First millisecond that is no longer played, 16:02:00: the closing auction prints after 16:00."""

SHIFT_MS: Final = 1_800_000
"""New York milliseconds less Seoul milliseconds."""

AUCTION_BITS: Final = 0b1100_0000
"""Sale condition bits of opening and closing prints."""

TAPE_BYTES: Final = 256 << 20
"""Largest tape that is read, unpacked."""

BUY, SELL, AUCTION = 1, 5, 3
"""Side codes of the wire (KIS-146); an auction print is nobody's initiative."""


class TapeReason(StrEnum):
    """Why a tape is refused."""

    BAD_ARCHIVE = "bad_archive"
    """The zip cannot be read, is too large or does not hold exactly one file."""
    BAD_ROW = "bad_row"
    """A row has fewer than three columns, or a value is not a positive integer."""
    UNSORTED = "unsorted"
    """A row's time lies before its predecessor's."""
    EMPTY_WINDOW = "empty_window"
    """No row falls into the played hours."""
    REPEATED_CODE = "repeated_code"
    """Two tapes have the same code."""
    BAD_CODE = "bad_code"
    """The code is no symbol of the wire."""


class Row(NamedTuple):
    """One row of a tape file."""

    ms: int
    """Milliseconds since midnight in New York."""
    price: int
    """Won: the file's integer as it stands."""
    shares: int
    """Size."""
    auction: bool
    """An opening or closing print."""


class Trade(NamedTuple):
    """One trade with the day's totals after it."""

    ms: int
    """Milliseconds since midnight in Seoul."""
    price: int
    """Won."""
    shares: int
    """Shares of this trade."""
    side: int
    """``BUY``, ``SELL`` or ``AUCTION``."""
    chain_shares: int
    """Shares of the day, this trade included (ACML_VOL)."""
    chain_value: int
    """Won of the day, this trade included (ACML_TR_PBMN)."""
    sells: int
    """Seller-initiated trades of the day."""
    buys: int
    """Buyer-initiated trades of the day."""
    sold_shares: int
    """Shares sold by initiative."""
    bought_shares: int
    """Shares bought by initiative."""
    high: int
    """Highest price of the day."""
    high_ms: int
    """When it was first reached."""
    low: int
    """Lowest price of the day."""
    low_ms: int
    """When it was first reached."""
    hour_class: str = "0"
    """HOUR_CLS_CODE: ``C`` in a volatility interruption (KIS-184)."""
    halted: str = "N"
    """TRHT_YN: the first record after a halt may carry ``Y`` (KIS-183)."""

    @property
    def counted(self) -> bool:
        """Whether the trade moved the broker's trade counts (OB-602)."""
        return self.side != AUCTION


@dataclass(frozen=True)
class Series:
    """All trades of one code on one day, in order."""

    code: str
    """Symbol on the wire."""
    trades: tuple[Trade, ...]
    """At least one."""
    times_ms: tuple[int, ...]
    """``trades[i].ms``, for searching."""

    def happened(self, ms: int) -> int:
        """Return how many trades happened up to and including a time."""
        return bisect_right(self.times_ms, ms)

    def until(self, end_ms: int | None) -> "Series":
        """Return the part before a time: of a partial play nothing later exists (OB-813)."""
        if end_ms is None:
            return self
        count = self.happened(end_ms - 1)
        return Series(self.code, self.trades[:count], self.times_ms[:count])

    def between(self, from_ms: int, until_ms: int) -> "Series":
        """Return the trades of a span with totals of its own, as a venue of these hours counts them."""
        first, end = self.happened(from_ms - 1), self.happened(until_ms - 1)
        return Series(self.code, tuple(counted_anew(self.trades, first, end)), self.times_ms[first:end])

    def restarted(self, at_ms: int) -> "Series":
        """Return the same trades with totals that start again at zero at a time (KIS-144)."""
        first = self.happened(at_ms - 1)
        later = counted_anew(self.trades, first, len(self.trades))
        return Series(self.code, (*self.trades[:first], *later), self.times_ms)

    def moved(self, by_ms: int) -> "Series":
        """Return the same trades at other times."""
        trades = (
            trade._replace(ms=trade.ms + by_ms, high_ms=trade.high_ms + by_ms, low_ms=trade.low_ms + by_ms)
            for trade in self.trades
        )
        return Series(self.code, tuple(trades), tuple(ms + by_ms for ms in self.times_ms))


def counted_anew(trades: Sequence[Trade], first: int, end: int) -> Iterator[Trade]:
    """Yield trades of a day with running totals that begin with the first of them."""
    base = trades[first - 1] if first else None
    high = high_ms = low_ms = 0
    low = 1 << 62
    for trade in trades[first:end]:
        if trade.price > high:
            high, high_ms = trade.price, trade.ms
        if trade.price < low:
            low, low_ms = trade.price, trade.ms
        yield trade._replace(
            chain_shares=trade.chain_shares - (base.chain_shares if base else 0),
            chain_value=trade.chain_value - (base.chain_value if base else 0),
            sells=trade.sells - (base.sells if base else 0),
            buys=trade.buys - (base.buys if base else 0),
            sold_shares=trade.sold_shares - (base.sold_shares if base else 0),
            bought_shares=trade.bought_shares - (base.bought_shares if base else 0),
            high=high, high_ms=high_ms, low=low, low_ms=low_ms,
        )  # fmt: skip


def read_rows(data: bytes, name: str) -> list[Row]:
    """Read a Lean trade zip, or a CSV of milliseconds, price, size.

    Raises:
        MisuseError: naming file and line (``TapeReason``).
    """
    text = _unzip(data, name) if data[:2] == b"PK" else data
    rows: list[Row] = []
    for number, line in enumerate(text.splitlines(), 1):
        row = _row(line, f"{name}:{number}")
        if rows and row.ms < rows[-1].ms:
            raise MisuseError(f"{name}:{number}: time before the row above", TapeReason.UNSORTED)
        rows.append(row)
    return rows


def build(code: str, rows: Iterable[Row], *, every_hour: bool = False, auctions: bool = False) -> Series:
    """Map rows to a day of trades (OB-805).

    Args:
        code: symbol on the wire.
        rows: in order of time.
        every_hour: play rows outside 09:30 to 16:02 New York too.
        auctions: opening and closing prints are not counted, as on the real market.

    Raises:
        MisuseError: no row falls into the hours.
    """
    trades = tuple(_trades(rows if every_hour else _in_hours(rows), auctions=auctions))
    if not trades:
        raise MisuseError(f"tape of {code}: no trade in the played hours", TapeReason.EMPTY_WINDOW)
    return Series(code, trades, tuple(trade.ms for trade in trades))


def _in_hours(rows: Iterable[Row]) -> Iterator[Row]:
    return (row for row in rows if FIRST_MS <= row.ms < END_MS)


def _unzip(data: bytes, name: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) != 1 or members[0].file_size > TAPE_BYTES:
                raise MisuseError(
                    f"{name}: expected one file of at most {TAPE_BYTES} bytes", TapeReason.BAD_ARCHIVE
                )
            with archive.open(members[0]) as member:
                return member.read(TAPE_BYTES)
    except (
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
    ) as error:
        raise MisuseError(f"{name}: not a readable zip: {error}", TapeReason.BAD_ARCHIVE) from None


def _row(line: bytes, place: str) -> Row:
    columns = line.split(b",")
    if len(columns) < 3 or not all(column.isdigit() and len(column) < 16 for column in columns[:3]):  # noqa: PLR2004 - ms, price, size
        raise MisuseError(
            f"{place}: expected milliseconds, price and size as positive integers", TapeReason.BAD_ROW
        )
    ms, price, shares = map(int, columns[:3])
    if not price or not shares:
        raise MisuseError(f"{place}: price and size must be above 0", TapeReason.BAD_ROW)
    return Row(ms, price, shares, _is_auction(columns, place))


def _is_auction(columns: list[bytes], place: str) -> bool:
    if len(columns) < 5:  # noqa: PLR2004 - the sale condition is the fifth column of a Lean file
        return False
    try:
        return bool(int(columns[4] or b"0", 16) & AUCTION_BITS)
    except ValueError:
        raise MisuseError(f"{place}: the sale condition is not hexadecimal", TapeReason.BAD_ROW) from None


def _trades(rows: Iterable[Row], *, auctions: bool) -> Iterator[Trade]:
    totals, last, initiative = _Running(), 0, BUY
    for row in rows:
        initiative = _initiative(row.price, last, initiative)
        side = AUCTION if auctions and row.auction else initiative
        last = row.price
        yield totals.after(row.ms - SHIFT_MS, row.price, row.shares, side)


def recounted(code: str, trades: Iterable[Trade]) -> Series:
    """Return a day of these trades with running totals that follow from their times, prices, sizes and sides."""
    totals = _Running()
    again = tuple(
        totals.after(one.ms, one.price, one.shares, one.side)._replace(
            hour_class=one.hour_class, halted=one.halted
        )
        for one in sorted(trades, key=lambda trade: trade.ms)
    )
    return Series(code, again, tuple(trade.ms for trade in again))


class _Running:
    """The day's totals."""

    def __init__(self) -> None:
        self._shares = self._value = self._sells = self._buys = self._sold = self._bought = 0
        self._high = self._high_ms = self._low_ms = 0
        self._low = 1 << 62

    def after(self, ms: int, price: int, shares: int, side: int) -> Trade:
        """Return a trade with the totals after it."""
        self._shares += shares
        self._value += price * shares
        if side == BUY:
            self._buys, self._bought = self._buys + 1, self._bought + shares
        elif side == SELL:
            self._sells, self._sold = self._sells + 1, self._sold + shares
        if price > self._high:
            self._high, self._high_ms = price, ms
        if price < self._low:
            self._low, self._low_ms = price, ms
        return Trade(
            ms, price, shares, side, self._shares, self._value, self._sells, self._buys, self._sold, self._bought,
            self._high, self._high_ms, self._low, self._low_ms,
        )  # fmt: skip


def _initiative(price: int, last: int, before: int) -> int:
    """Return the side by the tick rule: equal prices keep the side before."""
    if price == last or not last:
        return before
    return BUY if price > last else SELL
