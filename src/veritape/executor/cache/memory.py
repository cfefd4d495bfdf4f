"""The layer in memory: least recently used goes first, bounded by entries and by bytes (EX-403)."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from enum import StrEnum

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


class MemoryLayer:
    """Receipts' files by key; what is returned was put in by this process, so nothing is verified again."""

    def __init__(self, max_entries: int, max_bytes: int, ttl_ns: int | None = None) -> None:
        self._max_entries, self._max_bytes, self._ttl_ns = max_entries, max_bytes, ttl_ns
        self._held: OrderedDict[bytes, bytes] = OrderedDict()
        self._created_ns: dict[bytes, int] = {}  # only with a TTL
        self.held_bytes = 0
        """Bytes held."""

    def __len__(self) -> int:
        return len(self._held)

    def keys(self) -> list[bytes]:
        """Return the keys that are held."""
        return list(self._held)

    def among(self, keys: Iterable[bytes]) -> set[bytes]:
        """Return those of some keys that are held."""
        return self._held.keys() & keys

    def get(self, key: bytes, now_ns: int) -> tuple[bytes | None, list[Eviction]]:
        """Return a receipt, or None, and what was let go because it was too old."""
        data = self._held.get(key)
        if data is None:
            return None, []
        if self._ttl_ns is not None and now_ns - self._created_ns[key] >= self._ttl_ns:
            self.drop(key)
            return None, [Eviction.TTL]
        self._held.move_to_end(key)
        return data, []

    def put(self, receipts: Mapping[bytes, bytes], now_ns: int) -> list[Eviction]:
        """Keep receipts, the last one longest; return why others were let go. One that is too large is not kept."""
        largest = self._max_bytes // LARGEST_SHARE
        if not self._held.keys().isdisjoint(receipts):
            for key in self.among(receipts):
                self.drop(key)
        sizes = list(map(len, receipts.values()))
        if max(sizes, default=0) > largest:
            return self.put({key: data for key, data in receipts.items() if len(data) <= largest}, now_ns)
        self._held.update(receipts)
        self.held_bytes += sum(sizes)
        if self._ttl_ns is not None:
            self._created_ns.update(dict.fromkeys(receipts, now_ns))
        return self._shrink()

    def drop(self, key: bytes) -> None:
        """Forget a key."""
        self.held_bytes -= len(self._held.pop(key, b""))
        self._created_ns.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()
        self._created_ns.clear()
        self.held_bytes = 0

    def _shrink(self) -> list[Eviction]:
        gone = []
        while self.held_bytes > self._max_bytes or len(self._held) > self._max_entries:
            gone.append(Eviction.BYTES if self.held_bytes > self._max_bytes else Eviction.ENTRIES)
            key, data = self._held.popitem(last=False)
            self.held_bytes -= len(data)
            self._created_ns.pop(key, None)
        return gone
