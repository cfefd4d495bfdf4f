"""What the guest ``ohlcv`` reads and commits: bars over one tape, bound to it by its digest (EX-237, 243).

Its input is the interval in seconds and then the tape. A journal is a head of 56 bytes (rows_sha256, code, interval_s,
price_scale, number of bars) and 64 bytes a bar: start_s u32, trades u32, open, high, low, close, volume u64 each, value u128.
"""

import struct
from enum import StrEnum
from typing import Final, NamedTuple

from veritape.kernel.errors import PeerError

PROGRAM: Final = "ohlcv"
"""The guest's name."""

CHAIN_INTERVAL_S: Final = 60
"""Interval of the bars that the chain computes over every sealed segment."""

MAX_BARS: Final = 1000
"""Most bars of one tape; more is the guest's exit code 4."""

_INTERVAL: Final = struct.Struct("<I")
_HEAD: Final = struct.Struct("<32s12sIII")
_BAR: Final = struct.Struct("<IIQQQQQQQ")


class OhlcvReason(StrEnum):
    """Why bytes are no journal of this guest."""

    BAD_JOURNAL = "bad_journal"
    """A length that is not that of its bars, a code that is no text, or starts that do not fit the interval."""


class Bar(NamedTuple):
    """Trades of one interval."""

    start_s: int
    """Begin, seconds of the tape's clock: a multiple of the interval."""
    trades: int
    """Rows."""
    open: int
    """First price, scaled."""
    high: int
    """Highest price."""
    low: int
    """Lowest price."""
    close: int
    """Last price."""
    volume_shares: int
    """Sum of shares."""
    value: int
    """Sum of price x shares."""


class OhlcvJournal(NamedTuple):
    """One tape's bars."""

    rows_sha256: str
    """SHA-256 of the tape, hexadecimal: equal to the seal's digest of the code's rows."""
    code: str
    """Symbol."""
    interval_s: int
    """Length of a bar, seconds."""
    price_scale: int
    """Decimals of the tape's prices."""
    bars: tuple[Bar, ...]
    """Bars with trades, ascending."""


def input_of(tape: bytes, interval_s: int = CHAIN_INTERVAL_S) -> bytes:
    """Return the guest's input over a tape."""
    return _INTERVAL.pack(interval_s) + tape


def parse_journal(journal: bytes) -> OhlcvJournal:
    """Return what a journal says.

    Raises:
        PeerError: ``bad_journal``.
    """
    if len(journal) < _HEAD.size:
        raise _refusal(f"{len(journal)} bytes are no head")
    digest, code, interval_s, scale, count = _HEAD.unpack_from(journal)
    if count > MAX_BARS or len(journal) != _HEAD.size + count * _BAR.size:
        raise _refusal(f"{len(journal)} bytes are not those of {count} bars")
    name = code.rstrip(b"\0")
    bars = tuple(_bar(fields) for fields in _BAR.iter_unpack(journal[_HEAD.size :]))
    starts = [bar.start_s for bar in bars]
    if not name.isalnum() or interval_s == 0:
        raise _refusal("the code is no text, or the interval is 0")
    if sorted(set(starts)) != starts or any(start % interval_s for start in starts):
        raise _refusal("the bars do not ascend by the interval")
    return OhlcvJournal(digest.hex(), name.decode(), interval_s, scale, bars)


def _bar(fields: tuple[int, ...]) -> Bar:
    start, trades, opened, high, low, close, volume, value_low, value_high = fields
    return Bar(start, trades, opened, high, low, close, volume, value_high << 64 | value_low)


def _refusal(detail: str) -> PeerError:
    return PeerError(f"bad_journal: {detail}", OhlcvReason.BAD_JOURNAL)
