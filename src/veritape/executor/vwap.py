"""What the guest ``vwap`` commits: sums over one tape, bound to it by its digest (EX-237, 239, 241).

The guest does not divide; readers do. A journal is 80 bytes: rows_sha256 (32), code (12, zero-padded), trades u32,
price_scale u32, zero u32, volume u64, value u128.
"""

import struct
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from enum import StrEnum
from typing import Final, NamedTuple

from veritape.kernel.errors import PeerError

PROGRAM: Final = "vwap"
"""The guest's name."""

JOURNAL_BYTES: Final = 80
"""Length of a journal."""

EXTRA_DECIMALS: Final = 4
"""Decimals of an average beyond the tape's price scale."""

_JOURNAL: Final = struct.Struct("<32s12sIIIQQQ")
_DIGITS = 60


class VwapReason(StrEnum):
    """Why bytes are no journal of this guest."""

    BAD_JOURNAL = "bad_journal"
    """Another length, a code that is no text, or a reserved word that is not zero."""


class VwapJournal(NamedTuple):
    """One tape's sums."""

    rows_sha256: str
    """SHA-256 of the tape, hexadecimal: equal to the seal's digest of the code's rows."""
    code: str
    """Symbol."""
    trades: int
    """Rows of the tape."""
    price_scale: int
    """Decimals of the tape's prices."""
    volume_shares: int
    """Sum of shares."""
    value: int
    """Sum of price x shares, scaled by ``price_scale``."""


def parse_journal(journal: bytes) -> VwapJournal:
    """Return what a journal says.

    Raises:
        PeerError: ``bad_journal``.
    """
    if len(journal) != JOURNAL_BYTES:
        raise _refusal(f"{len(journal)} bytes, not {JOURNAL_BYTES}")
    digest, code, trades, scale, zero, volume, low, high = _JOURNAL.unpack(journal)
    name = code.rstrip(b"\0")
    if zero or not name.isalnum():
        raise _refusal("reserved word not zero, or the code is no text")
    return VwapJournal(digest.hex(), name.decode(), trades, scale, volume, high << 64 | low)


def average(journals: Sequence[VwapJournal]) -> str:
    """Return the volume-weighted average price over tapes of one code, rounded half up (EX-239).

    Raises:
        ValueError: no tape, several codes or scales.
    """
    if len({(journal.code, journal.price_scale) for journal in journals}) != 1:
        raise ValueError("an average is over tapes of one code with one price scale")
    scale = journals[0].price_scale
    with localcontext(prec=_DIGITS):
        price = Decimal(sum(j.value for j in journals)) / sum(j.volume_shares for j in journals)
        return f"{price.scaleb(-scale).quantize(Decimal(1).scaleb(-scale - EXTRA_DECIMALS), ROUND_HALF_UP):f}"


def _refusal(detail: str) -> PeerError:
    return PeerError(f"bad_journal: {detail}", VwapReason.BAD_JOURNAL)
