"""The cache of simulated receipts over all its layers (EX-401 to 411).

Layers are asked in order and filled upwards. What comes from disk or Redis is authenticated and read in full before it is
returned, so a forged entry costs time and never a wrong answer; it is deleted, counted and a miss. A hit runs nothing.
"""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from veritape.executor.adapters.cache.disk import DiskLayer
from veritape.executor.adapters.cache.flights import Leases
from veritape.executor.adapters.cache.index import Written
from veritape.executor.adapters.cache.redis_layer import RedisLayer
from veritape.executor.cache.counters import CacheCounters, Layer
from veritape.executor.cache.entries import Entry, check_simulated
from veritape.executor.cache.memory import Eviction, MemoryLayer
from veritape.executor.log_events import LogEvent, Note, note_nothing
from veritape.kernel.clock import Clock
from veritape.kernel.errors import PeerError
from veritape.stark.hashing import Sponge

COPIES_AT_ONCE = 256
"""Receipts from Redis that are written to disk together: one by one each hit would wait for the disk."""

POLL_S = 0.02
"""Seconds between two looks of who waits for another process."""


@dataclass
class ReceiptCache:
    """Memory, and the layers that are configured; collaborators are arguments."""

    memory: MemoryLayer
    """Always there."""
    sponge: Sponge
    """Reads receipts."""
    clock: Clock
    """Ages of entries."""
    disk: DiskLayer | None = None
    """Makes items durable."""
    redis: RedisLayer | None = None
    """Shares them between machines."""
    leases: Sequence[Leases] = ()
    """Single flight among processes."""
    refused: Callable[[PeerError], None] = lambda _: None
    """Called for each entry that was refused."""
    note: Note = note_nothing
    """Takes what is to be said of an entry that was refused."""
    counters: CacheCounters = field(default_factory=CacheCounters)
    """Since the start of the process."""
    disk_refused: bool = False
    """The last write to disk failed."""
    _lock: Any = field(default_factory=threading.RLock)
    _copies: dict[bytes, bytes] = field(default_factory=dict)
    _flights: dict[bytes, "Future[bytes]"] = field(default_factory=dict)

    def get(self, key: bytes) -> bytes | None:
        """Return a receipt's file from the first layer that has it, and count."""
        return self.get_many([key]).get(key)

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return what the layers have of some keys, and count; what no layer on this machine knows costs one question for all."""
        found = {}
        with self._lock:
            here = self.memory.among(keys) | (self.disk.known(keys) if self.disk is not None else set())
            asked = keys if self.redis is not None else [key for key in keys if key in here] if here else ()
            for key in asked:
                hit = self._find(key)
                if hit is not None:
                    found[key], layer = hit
                    self.counters.hits[layer] += 1
            self.counters.misses += len(keys) - len(found)
        return found

    def missed(self, count: int) -> None:
        """Count misses that a worker found: it asked the index, and knew what the memory holds."""
        with self._lock:
            self.counters.misses += count

    def held(self) -> list[bytes]:
        """Return the keys that are in memory."""
        with self._lock:
            return self.memory.keys()

    def put(self, receipts: Mapping[bytes, bytes], written: Written | OSError | None = None) -> None:
        """Keep receipts' files in every layer; on return they are durable where there is a disk layer.

        Args:
            receipts: by key.
            written: what became of them where a worker wrote them to this disk layer itself.

        Raises:
            OSError: the disk refused.
        """
        now_ns = self.clock.wall_ns()
        if self.disk is not None:
            self.disk_refused = isinstance(written, OSError)
            if isinstance(written, OSError):
                raise written
            try:
                gone_there = (
                    self.disk.adopt(written, receipts) if written else self.disk.put(receipts, now_ns)
                )
            except OSError:
                self.disk_refused = True
                raise
            self._count(Layer.DISK, gone_there)
        with self._lock:
            self._count(Layer.MEMORY, self.memory.put(receipts, now_ns))
        if self.redis is not None:
            for key, body in receipts.items():
                self.redis.put(Entry(key, now_ns, body))

    def get_or_make(self, key: bytes, make: Callable[[], bytes]) -> bytes:
        """Return the receipt of a key as its file; of all who ask at once, one makes it. What fails is not kept, and fails for all.

        Raises:
            VeritapeError: what ``make`` raised.
        """
        with self._lock:
            flight = self._flights.get(key)
            if flight is None:
                found = self.get(key)
                if found is not None:
                    return found
                mine: Future[bytes] = Future()
                self._flights[key] = mine
            else:
                self.counters.shared += 1
        if flight is not None:
            return flight.result()
        try:
            mine.set_result(self._lead(key, make))
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._flights[key]
        return mine.result()

    def close(self) -> None:
        """Close the layers."""
        with self._lock:
            self._write_copies()
        for layer in (self.disk, self.redis):
            if layer is not None:
                layer.close()

    def sizes(self) -> dict[Layer, int]:
        """Return the bytes of the layers whose size is known here."""
        with self._lock:
            sizes = {Layer.MEMORY: self.memory.held_bytes}
        return sizes if self.disk is None else {**sizes, Layer.DISK: self.disk.held_bytes}

    def _lead(self, key: bytes, make: Callable[[], bytes]) -> bytes:
        """Make the receipt when no other process is at it; else wait for theirs, or for their end."""
        waiting = threading.Event()
        while True:
            with contextlib.ExitStack() as stack:
                if all(stack.enter_context(lease.held(key)) for lease in self.leases):
                    with self._lock:
                        found = self._find(key)
                    if found is not None:
                        self.counters.shared += 1
                        return found[0]
                    data = make()
                    self.put({key: data})
                    return data
            waiting.wait(POLL_S)
            with self._lock:
                found = self._find(key)
            if found is not None:
                self.counters.shared += 1
                return found[0]

    def _find(self, key: bytes) -> tuple[bytes, Layer] | None:
        now_ns = self.clock.wall_ns()
        data, gone = self.memory.get(key, now_ns)
        self._count(Layer.MEMORY, gone)
        if data is not None:
            return data, Layer.MEMORY
        for layer, load in ((Layer.DISK, self._from_disk), (Layer.REDIS, self._from_redis)):
            try:
                data = load(key, now_ns)
                if data is None:
                    continue
                check_simulated(key, data, self.sponge)
            except PeerError as error:
                self._refuse(key, layer, error)
                continue
            self._count(Layer.MEMORY, self.memory.put({key: data}, now_ns))
            if layer is Layer.REDIS and self.disk is not None:
                self._copies[key] = data
                if len(self._copies) >= COPIES_AT_ONCE:
                    self._write_copies()
            return data, layer
        return None

    def _write_copies(self) -> None:
        """Fill the disk with what Redis had, in one write: a copy need not be durable before it is returned."""
        copies, self._copies = self._copies, {}
        if self.disk is not None:
            with contextlib.suppress(OSError):
                self._count(Layer.DISK, self.disk.put(copies, self.clock.wall_ns()))

    def _from_disk(self, key: bytes, now_ns: int) -> bytes | None:
        if self.disk is None:
            return None
        data, gone = self.disk.get(key, now_ns)
        self._count(Layer.DISK, gone)
        return data

    def _from_redis(self, key: bytes, now_ns: int) -> bytes | None:
        del now_ns
        entry = self.redis.get(key) if self.redis is not None else None
        return None if entry is None else entry.body

    def _refuse(self, key: bytes, layer: Layer, error: PeerError) -> None:
        self.counters.rejected += 1
        self.refused(error)
        self.note(LogEvent.ENTRY_REFUSED, layer=layer, reason=error.reason, problem=error.message)
        if layer is Layer.DISK and self.disk is not None:
            self.disk.drop(key)
        if layer is Layer.REDIS and self.redis is not None:
            self.redis.drop(key)

    def _count(self, layer: Layer, gone: Iterable[Eviction]) -> None:
        for cause, count in Counter(gone).items():
            self.counters.evictions[layer, cause] += count
