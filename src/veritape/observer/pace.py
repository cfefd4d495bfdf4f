"""How fast the own stream brings trades, code by code: what the velocity trigger reads (OB-302).

Read from a frame's head alone, because a frame is not parsed for the ledger before it is durable.
"""

from collections import Counter, deque
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from veritape.kernel.clock import NANOSECONDS
from veritape.observer.triggers import VELOCITY_SECONDS

WINDOW_NS: Final = VELOCITY_SECONDS * NANOSECONDS
"""How far back trades count."""

BUCKET_NS: Final = NANOSECONDS // 10
"""Trades are counted in tenths of a second: the window is that exact."""

HEAD_BYTES: Final = 32
"""Bytes in which flag, transaction id, count and code lie."""


class Head(NamedTuple):
    """What a data frame says before its records."""

    tr_id: str
    code: str
    """Of its first record."""
    records: int


def head_of(data: bytes) -> Head | None:
    """Return the head of a plain data frame, None for anything else."""
    return _head(data[:HEAD_BYTES].partition(b"^")[0])


@lru_cache(1 << 12)
def _head(start: bytes) -> Head | None:
    """Return the head that a frame's first bytes make: some hundreds of codes and counts come again and again."""
    parts = start.split(b"|", 3)
    if len(parts) != 4 or parts[0] != b"0" or not parts[2].isdigit():  # noqa: PLR2004 - flag, id, count, code
        return None
    code = parts[3]
    if not (code.isascii() and code.isalnum() and parts[1].isascii()):
        return None
    return Head(parts[1].decode(), code.decode(), int(parts[2]))


class Pace:
    """Trades of the last ten seconds."""

    def __init__(self) -> None:
        self._buckets: deque[tuple[int, Counter[str]]] = deque()
        self._total: Counter[str] = Counter()

    def arrived(self, code: str, trades: int, now_ns: int) -> None:
        """Count trades."""
        bucket = now_ns // BUCKET_NS
        if not self._buckets or self._buckets[-1][0] < bucket:
            self._buckets.append((bucket, Counter()))
        self._buckets[-1][1][code] += trades
        self._total[code] += trades

    def counts(self, now_ns: int) -> Mapping[str, int]:
        """Return code -> trades of the last ten seconds."""
        while self._buckets and self._buckets[0][0] <= (now_ns - WINDOW_NS) // BUCKET_NS:
            for code, trades in self._buckets.popleft()[1].items():
                self._total[code] -= trades
                if not self._total[code]:
                    del self._total[code]
        return self._total
