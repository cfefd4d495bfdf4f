"""Trades of many messages read at once, column by column: the fast way of ``frames.parse_message``.

``parse_message`` defines what is right. Here a message is read only when all of its records are usual: digits alone where
there are numbers, no sign, no padding, nothing but printable ASCII, no field longer than it ever is. Any other message is
marked as unread and left to ``parse_message``; a property test holds both to the same trades.

Every step runs over all messages together, so its cost is shared by their records: the separators of all messages are found,
then each wanted field as the bytes before the separator that ends it.

Example: the record ``990001^090014^1818700^2^...`` has its first fields before the separators 0, 1 and 2 of its message.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from veritape.observer.frames import FRAME_BYTES, MOST_TRADES
from veritape.wire.kis.frames import FIELD_NAMES, TRADE_STREAMS

Integers = npt.NDArray[np.int64]
"""A column of numbers."""

Bytes = npt.NDArray[np.uint8]
"""Bytes of the messages."""

Truths = npt.NDArray[np.bool_]
"""One answer an element."""

CLOCK, PRICE, SHARES, CHAIN_SHARES, CHAIN_VALUE, SELLS, BUYS, SIDE, DAY = range(9)
"""Columns of the numbers."""

NUMBER_PLACES: Final = (1, 2, 12, 13, 14, 15, 16, 21, 33)
"""Their fields in a record."""

TEXT_PLACES: Final = (0, 34, 43, 46)
"""Fields of symbol, phase, hour class and market."""

SYMBOL, PHASE, HOUR_CLASS, MARKET = range(4)
"""Their order."""

PLACES: Final = np.array((*NUMBER_PLACES, *TEXT_PLACES))
"""All fields that are read."""

LONGEST: Final = np.array((6, 9, 9, 12, 15, 10, 10, 2, 8, 7, 2, 4, 4))
"""Most characters of each: a longer one is not usual. A product of price and shares then fits 64 bits."""

SHORTEST: Final = np.array((6, *(1,) * 7, 8, 6, 0, 0, 0))
"""Fewest characters of each."""

WIDTHS: Final = np.array(sorted({width for tr_id, width in FIELD_NAMES if tr_id in TRADE_STREAMS}))
"""Widths of a trade record; every trade stream has them all."""

HEAD_BYTES: Final = 15
"""Bytes of ``0|H0STCNT0|001|``."""

WINDOW: Final = 16
"""Bytes of a field that are looked at, from its end backwards."""

NAME_BYTES: Final = 24
"""Bytes of a record's name: symbol (8), phase, hour class, market, date (4 each)."""

FIELD_END, BAR, ZERO = b"^|0"
"""Characters."""

NINE: Final = 9
"""The last digit's distance from ``ZERO``."""

PRINTABLE: Final = b" ~"
"""First and last character that a usual message holds."""

NAMES_KEPT: Final = 1 << 11
"""Names that are remembered as text: a day has some two hundred (41 symbols, a few sessions each), the next day others."""

BUY, SELL = 1, 5
"""Side codes of trades that the protocol counts (KIS-143)."""


class TradeColumns(NamedTuple):
    """The records of the messages that were read, in order, and which messages these are."""

    is_read: Truths
    """One a message; the records of the others are for ``parse_message``."""
    message: Integers
    """Index of each record's message."""
    record: Integers
    """Its index in the message."""
    numbers: Integers
    """Shape (records, 9): the columns named above; ``CLOCK`` as seconds since midnight."""
    counted: Truths
    """Whether the protocol says that S + B moved."""
    names: npt.NDArray[np.uint64]
    """Shape (records, 3): equal rows have equal symbol, date and session; see ``name_of``."""

    def of_records(self, chosen: slice | Truths) -> "TradeColumns":
        """Return some of the records."""
        _, message, record, numbers, counted, names = self
        return TradeColumns(
            self.is_read, message[chosen], record[chosen], numbers[chosen], counted[chosen], names[chosen]
        )


def read_columns(messages: Sequence[bytes]) -> TradeColumns:
    """Read messages of the stream, at least one; total, like ``parse_message``."""
    lengths = np.fromiter(map(len, messages), np.int64, len(messages))
    content = np.frombuffer(b"^".join(messages) + b"^" * WINDOW, np.uint8)
    ends = lengths.cumsum() + np.arange(len(messages))
    starts = ends - lengths
    separators = np.flatnonzero(content[: ends[-1] + 1] == FIELD_END)
    first = separators.searchsorted(starts)
    fields = separators.searchsorted(ends) + 1 - first
    count, is_read = _heads(content, starts)
    width = fields // count
    is_read &= (width * count == fields) & _one_of(width, WIDTHS) & (lengths <= FRAME_BYTES)
    odd = np.flatnonzero(content[: ends[-1]] - PRINTABLE[0] > PRINTABLE[1] - PRINTABLE[0])
    is_read[ends.searchsorted(odd)] = False
    message = is_read.nonzero()[0].repeat(count[is_read])
    record = np.arange(len(message)) - (count[is_read].cumsum() - count[is_read]).repeat(count[is_read])
    begins = np.where(record == 0, starts[message] + HEAD_BYTES, 0)
    places = first[message] + record * width[message]
    read = _records(*_fields(content, separators, places, begins, width[message]))
    columns = TradeColumns(is_read, message, record, read.numbers, read.counted, read.names)
    return columns if read.is_usual.all() else _without(columns, message[~read.is_usual])


def _without(columns: TradeColumns, messages: Integers) -> TradeColumns:
    """Leave messages unread."""
    columns.is_read[messages] = False
    return columns.of_records(columns.is_read[columns.message])


@lru_cache(NAMES_KEPT)
def name_of(name: bytes) -> tuple[str, str, str]:
    """Return symbol, date and session of a row of ``names``."""
    symbol, *session = (name[start:end].lstrip(b"\0").decode() for start, end in _NAME_PARTS)
    return symbol, str(int.from_bytes(name[20:], "little")), "/".join(session)


class _Read(NamedTuple):
    """Records, usual or not."""

    is_usual: Truths
    numbers: Integers
    counted: Truths
    names: npt.NDArray[np.uint64]


def _windows(content: Bytes, width: int) -> Bytes:
    """Return a view of the bytes from each place on."""
    shape = (len(content) - width + 1, width)
    return np.ndarray(shape, np.uint8, content, strides=(1, 1))


def _heads(content: Bytes, starts: Integers) -> tuple[Integers, Truths]:
    """Return the records that each message states, at least 1, and whether its head is one of plain trades."""
    heads = _windows(content, HEAD_BYTES)[starts]
    digits = heads[:, 11:14] - ZERO
    count = digits @ _HUNDREDS
    streams = np.ascontiguousarray(heads[:, 2:10]).view(np.uint64)[:, 0]
    is_trade = (heads[:, _HEAD_PLACES] == _HEAD_SIGNS).all(1) & _one_of(streams, _STREAMS)
    return np.maximum(count, 1), is_trade & (digits <= NINE).all(1) & (count > 0)


def _fields(
    content: Bytes, separators: Integers, places: Integers, begins: Integers, width: Integers
) -> tuple[Bytes, Integers, Truths]:
    """Return the wanted fields of each record.

    Args:
        content: all messages.
        separators: where their fields end.
        places: index of the separator that ends each record's first field.
        begins: where that field begins in the first record of a message, 0 in the others.
        width: fields of each record; a field beyond it is empty.

    Returns:
        The last ``WINDOW`` bytes of each field with zeros before it; its length; which of the bytes lie before it.
    """
    wanted = places[:, None] + PLACES
    ends = separators.take(wanted, mode="clip")
    starts = separators.take(wanted - 1, mode="clip") + 1
    np.copyto(starts[:, len(NUMBER_PLACES)], begins, where=begins > 0)
    lengths = ends - starts
    lengths[:, -1] *= width > TEXT_PLACES[MARKET]
    is_before = np.minimum(lengths, WINDOW).astype(np.int8)[..., None] < _FROM_END
    fields = _windows(content, WINDOW)[ends - WINDOW]
    fields[is_before] = 0
    return fields, lengths, is_before


def _records(fields: Bytes, lengths: Integers, is_before: Truths) -> _Read:
    numbers, texts = fields[:, : len(NUMBER_PLACES)], fields[:, len(NUMBER_PLACES) :]
    is_digit = (numbers - ZERO <= NINE) | is_before[:, : len(NUMBER_PLACES)]
    values = _values(numbers)
    clock, day, symbol = values[:, CLOCK], values[:, DAY], texts[:, SYMBOL]
    names = np.zeros((len(values), NAME_BYTES), np.uint8)
    names[:, :8] = symbol[:, -8:]
    names[:, 8:20] = texts[:, PHASE:, -4:].reshape(-1, 12)
    names[:, 20:] = day.astype("<u4").view(np.uint8).reshape(-1, 4)
    is_usual = (
        ((lengths >= SHORTEST) & (lengths <= LONGEST)).all(1)
        & is_digit.reshape(-1, len(NUMBER_PLACES) * WINDOW).all(1)
        & _SYMBOL_SIGNS[symbol[:, -8:]].all(1)
        & ((symbol[:, -7] == 0) | (symbol[:, -7] == ord("Q")))
        & _is_trade(values)
        & _is_date(day)
    )
    hours, minutes, seconds = clock // 10_000, clock // 100 % 100, clock % 100
    is_usual &= _is_between(hours, 0, 23) & _is_between(minutes, 0, 59) & _is_between(seconds, 0, 59)
    values[:, CLOCK] = hours * 3600 + minutes * 60 + seconds
    is_regular = names[:, 8:16].copy().view(np.uint64)[:, 0] == _REGULAR
    counted = is_regular & ((values[:, SIDE] == BUY) | (values[:, SIDE] == SELL))
    return _Read(is_usual, values, counted, names.view(np.uint64))


def _values(digits: Bytes) -> Integers:
    """Return the numbers that up to 16 digits with zeros before them make: pairs of digits, of pairs, of fours, of eights."""
    eights = digits.reshape(*digits.shape[:-1], WINDOW).view("<u8") & 0x0F0F0F0F0F0F0F0F
    eights = (eights * (1 + (10 << 8)) >> 8) & 0x00FF00FF00FF00FF
    eights = (eights * (1 + (100 << 16)) >> 16) & 0x0000FFFF0000FFFF
    eights = eights * (1 + (10_000 << 32)) >> 32
    return (eights[..., 0] * 100_000_000 + eights[..., 1]).astype(np.int64)


def _is_trade(values: Integers) -> Truths:
    price, shares = values[:, PRICE], values[:, SHARES]
    return (
        (price > 0)
        & (shares > 0)
        & (shares <= values[:, CHAIN_SHARES])
        & (values[:, CHAIN_VALUE] > 0)
        & (values[:, SELLS] <= MOST_TRADES)
        & (values[:, BUYS] <= MOST_TRADES)
    )


def _is_date(day: Integers) -> Truths:
    year, month, of_month = day // 10_000, day // 100 % 100, day % 100
    return _is_between(year, 1000, 2999) & _is_between(month, 1, 12) & _is_between(of_month, 1, 31)


def _is_between(values: Integers, first: int, last: int) -> Truths:
    return (values >= first) & (values <= last)


def _one_of(values: npt.NDArray[Any], known: npt.NDArray[Any]) -> Truths:
    """Tell which values are known; a few comparisons, where ``np.isin`` sorts."""
    found: Truths = (values[:, None] == known).any(1)
    return found


def _signs() -> Truths:
    signs = np.zeros(256, bool)
    signs[[0, *b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"]] = True
    return signs


_STREAMS: Final = np.frombuffer("".join(TRADE_STREAMS).encode(), np.uint64)
_HUNDREDS: Final = np.array((100, 10, 1))
_HEAD_PLACES: Final = np.array((0, 1, 10, 14))
_HEAD_SIGNS: Final = np.array((ZERO, BAR, BAR, BAR), np.uint8)
_FROM_END: Final = np.arange(WINDOW, 0, -1, dtype=np.int8)
"""Distance of each byte of a window from the field's end."""
_REGULAR: Final = np.frombuffer(b"\0\x0020\0\0\x000", np.uint64)[0]
"""Phase 20 and hour class 0 in a name."""
_SYMBOL_SIGNS: Final = _signs()
"""Byte -> whether it may stand in a symbol's window, where zeros stand before the symbol."""
_NAME_PARTS: Final = ((0, 8), (8, 12), (12, 16), (16, 20))
