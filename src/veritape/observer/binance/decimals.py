"""Decimal text to integers with eight decimals, exactly: no float ever touches a price (OB-003)."""

import re
from typing import Final

from veritape.wire.binance.streams import PRICE_SCALE

WHOLE_DIGITS: Final = 11
"""Digits before the point: with eight behind it the largest number that 64 bits hold has nineteen."""

LARGEST: Final = (1 << 63) - 1
"""What a signed 64-bit column of a segment holds."""

_DECIMAL: Final = re.compile(rf"([0-9]{{1,{WHOLE_DIGITS}}})(?:\.([0-9]{{1,{PRICE_SCALE}}}))?")


def scaled(value: object) -> int | None:
    """Return a decimal text times 10^8; None for anything that is no plain decimal of at most eight decimals, or too large.

    ``"61837.63000000"`` is 6183763000000. Signs, exponents, spaces and numbers that are not text are refused.
    """
    match = _DECIMAL.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    whole, fraction = match.groups(default="")
    number = int(whole + fraction.ljust(PRICE_SCALE, "0"))
    return number if number <= LARGEST else None
