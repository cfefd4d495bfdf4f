"""The layer in memory: least recently used goes first, bounded by entries and by bytes (EX-403)."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Generic, TypeVar

LARGEST_SHARE = 8
"""A value larger than this part of a layer's bytes is not stored there."""


class Eviction(StrEnum):
    """Why a layer let an entry go."""

    ENTRIES = "entries"
    """The layer holds as many as it may."""
    BYTES = "bytes"
    """The layer is full."""
    TTL = "ttl"
    """The entry is older than the layer keeps any."""


ValueT = TypeVar("ValueT")


class MemoryLayer(Generic[ValueT]):
    """Values by key; what is returned was put in by this process, so nothing is verified again."""

    def __init__(self, max_entries: int, max_bytes: int, ttl_ns: int | None = None) -> None:
        self._max_entries, self._max_bytes, self._ttl_ns = max_entries, max_bytes, ttl_ns
        self._held: OrderedDict[bytes, tuple[ValueT, int, int]] = OrderedDict()  # value, size, time
        self.held_bytes = 0
        """Bytes held."""

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, key: bytes) -> bool:
        return key in self._held

    def get(self, key: bytes, now_ns: int) -> tuple[ValueT | None, list[Eviction]]:
        """Return a value, or None, and what was let go because it was too old."""
        held = self._held.get(key)
        if held is None:
            return None, []
        value, _, created_ns = held
        if self._ttl_ns is not None and now_ns - created_ns >= self._ttl_ns:
            self.drop(key)
            return None, [Eviction.TTL]
        self._held.move_to_end(key)
        return value, []

    def put(self, key: bytes, value: ValueT, size: int, now_ns: int) -> list[Eviction]:
        """Keep a value; return why others were let go. One that is too large is not kept."""
        return self.put_all({key: value}, [size], now_ns)

    def put_all(self, values: Mapping[bytes, ValueT], sizes: Sequence[int], now_ns: int) -> list[Eviction]:
        """Keep values of these sizes as ``put`` does each, in their order."""
        largest = self._max_bytes // LARGEST_SHARE
        sized = zip(values.items(), sizes, strict=True)
        rows = {key: (value, size, now_ns) for (key, value), size in sized if size <= largest}
        for key in self._held.keys() & values.keys():
            self.drop(key)
        self._held.update(rows)
        self.held_bytes += sum(size for size in sizes if size <= largest)
        gone = []
        while self.held_bytes > self._max_bytes or len(self._held) > self._max_entries:
            gone.append(Eviction.BYTES if self.held_bytes > self._max_bytes else Eviction.ENTRIES)
            self.held_bytes -= self._held.popitem(last=False)[1][1]
        return gone

    def drop(self, key: bytes) -> None:
        """Forget a key."""
        held = self._held.pop(key, None)
        self.held_bytes -= held[1] if held else 0

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()
        self.held_bytes = 0
