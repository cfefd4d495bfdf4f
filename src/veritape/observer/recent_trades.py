"""The newest trades of a line, for recognising one that is sent again (OB-645).

Packed one after another: the trades of forty lines as objects would take thirty times the room, and every full collection
would walk over all of them.
"""

import struct
from collections.abc import Iterator
from typing import Final

import numpy as np

KEPT: Final = 4_096
"""Trades that are remembered."""

PACKED: Final = struct.Struct("<qqq")
"""Chain shares, shares, price: what names a trade on its line."""


class RecentTrades:
    """The last ``KEPT`` trades, in the order in which they were recorded."""

    def __init__(self) -> None:
        self._packed = bytearray()

    def __len__(self) -> int:
        """Return the number of trades that are remembered."""
        return min(KEPT, len(self._packed) // PACKED.size)

    def __eq__(self, other: object) -> bool:
        """Tell whether both remember the same trades in the same order."""
        return isinstance(other, RecentTrades) and list(self) == list(other)

    def __hash__(self) -> int:
        """Raise: trades are added."""
        raise TypeError("remembered trades change")

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        """Yield chain shares, shares and price of each."""
        yield from PACKED.iter_unpack(self._packed[self._start :])

    def __contains__(self, trade: tuple[int, int, int]) -> bool:
        """Tell whether a trade is remembered; what is repeated was mostly sent just before."""
        wanted, start = PACKED.pack(*trade), self._start
        place = self._packed.rfind(wanted, start)
        while place >= 0 and place % PACKED.size:  # bytes of two neighbours that look like one trade
            place = self._packed.rfind(wanted, start, place + PACKED.size - 1)
        return place >= 0

    def overlaps(self, first: int, last: int) -> bool:
        """Tell whether a remembered trade lies, in part at least, between two places of the volume axis."""
        trades = np.frombuffer(self._packed, "<i8").reshape(-1, 3)[-KEPT:]
        return bool(((trades[:, 0] - trades[:, 1] < last) & (first < trades[:, 0])).any())

    def add(self, chain_shares: int, shares: int, price: int) -> None:
        """Remember a trade."""
        self.extend(PACKED.pack(chain_shares, shares, price))

    def extend(self, packed: bytes) -> None:
        """Remember trades, one ``PACKED`` each; the oldest are forgotten now and then, when as many are too many."""
        self._packed += packed
        if len(self._packed) >= 2 * KEPT * PACKED.size:
            del self._packed[: self._start]

    @property
    def _start(self) -> int:
        return max(0, len(self._packed) - KEPT * PACKED.size)
