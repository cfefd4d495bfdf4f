"""Request ids: the client's when it is harmless, else a ULID (GW-503)."""

import re
from functools import lru_cache
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32."""

_ACCEPTED: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_PAIRS: Final = [first + second for first in _ALPHABET for second in _ALPHABET]
"""Ten bits of the time -> two characters."""

_TIME_PLACES: Final = tuple(range(40, -1, -10))
"""Where the ten bits of each pair of the time begin, milliseconds: 5 pairs are the first 10 of 26 characters."""

_LETTERS: Final = (_ALPHABET * 8).encode()
"""Random byte -> character of its five lowest bits."""

RANDOM_BYTES: Final = 16
"""One for each character behind the time. ``bytes.translate`` looks all of them up in one call, where ten bytes had to be cut into pieces of five bits."""


def request_id(asked: bytes | None, wall_ns: int, random_bytes: bytes) -> str:
    """Return the id of a request.

    Args:
        asked: the client's ``X-Request-Id``.
        wall_ns: wall clock.
        random_bytes: ``RANDOM_BYTES`` of them.
    """
    if asked is not None and _ACCEPTED.fullmatch(asked):
        return asked.decode()
    return _time_text(wall_ns // 1_000_000) + random_bytes.translate(_LETTERS).decode("ascii")


@lru_cache(maxsize=4)
def _time_text(wall_ms: int) -> str:
    """Return the first part of the ids of a millisecond; a busy worker makes some in each."""
    return "".join([_PAIRS[wall_ms >> place & 1_023] for place in _TIME_PLACES])
