"""Random bytes of the operating system, drawn for many requests at once: a system call each would be felt."""

import secrets
from typing import Final

from veritape.gateway.request_ids import RANDOM_BYTES

PIECE_BYTES: Final = RANDOM_BYTES
"""Those of a request id."""

PIECES: Final = 256
"""Drawn at once."""


class RandomBytes:
    """Hands out pieces; none twice."""

    def __init__(self) -> None:
        self._drawn, self._place = b"", 0

    def take(self) -> bytes:
        """Return the next piece."""
        if self._place >= len(self._drawn):
            self._drawn, self._place = secrets.token_bytes(PIECE_BYTES * PIECES), 0
        place, self._place = self._place, self._place + PIECE_BYTES
        return self._drawn[place : self._place]
