"""Request ids: the client's when it is harmless, else a ULID (GW-503)."""

import re
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32."""

_ACCEPTED: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_PAIRS: Final = [first + second for first in _ALPHABET for second in _ALPHABET]
"""Ten bits -> two characters."""

_PLACES: Final = tuple(range(120, -1, -10))
"""Where the ten bits of each pair begin: 13 pairs are 26 characters."""


def request_id(asked: bytes | None, wall_ns: int, random_bytes: bytes) -> str:
    """Return the id of a request.

    Args:
        asked: the client's ``X-Request-Id``.
        wall_ns: wall clock.
        random_bytes: ten of them.
    """
    if asked is not None and _ACCEPTED.fullmatch(asked):
        return asked.decode()
    value = (wall_ns // 1_000_000 << 80) | int.from_bytes(random_bytes[:10], "big")
    return "".join([_PAIRS[value >> place & 1_023] for place in _PLACES])
