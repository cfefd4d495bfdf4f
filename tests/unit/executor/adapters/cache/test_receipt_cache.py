"""The cache over its layers, and single flight."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.compiled import SIMULATOR
from tests.noted import Noted
from tests.receipt_caches import ECHO, disk_cache, key_of, memory
from tests.waiting import PATIENCE_S

from veritape.executor.adapters.cache.flights import Leases
from veritape.executor.adapters.cache.receipt_cache import ReceiptCache
from veritape.executor.cache.counters import Layer
from veritape.executor.cache.memory import Eviction, MemoryLayer
from veritape.executor.log_events import LogEvent
from veritape.kernel.clock import ManualClock, SystemClock
from veritape.kernel.errors import CheckFailedError, PeerError

RECEIPT = SIMULATOR.run(ECHO, b"abcd").to_bytes()
KEY = key_of(ECHO, b"abcd")
OTHER = SIMULATOR.run(ECHO, b"efgh").to_bytes()


def test_layers_are_asked_in_order_and_filled_upwards(tmp_path: Path) -> None:
    """EX-403: a hit in memory, then, in another process, on disk, and after that in memory."""
    cache = disk_cache(tmp_path)
    assert cache.get(KEY) is None
    cache.put({KEY: RECEIPT})
    assert cache.get(KEY) == RECEIPT
    again = disk_cache(tmp_path)
    assert [again.get(KEY), again.get(KEY)] == [RECEIPT, RECEIPT]
    assert again.counters.hits == {Layer.DISK: 1, Layer.MEMORY: 1}
    assert (cache.counters.hits[Layer.MEMORY], cache.counters.misses) == (1, 1)
    assert set(cache.sizes()) == {Layer.MEMORY, Layer.DISK}
    cache.close()


def test_many_keys_are_looked_up_together(tmp_path: Path) -> None:
    """EX-401, EX-411: what memory and disk have is found, what neither has is a miss each, in one question to the index."""
    other_key, missing = (
        key_of(ECHO, b"efgh"),
        [bytes([number % 256, number // 256]) * 16 for number in range(1200)],
    )
    disk_cache(tmp_path).put({KEY: RECEIPT})
    cache = disk_cache(tmp_path)
    cache.put({other_key: OTHER})
    assert cache.get_many([*missing[:600], KEY, other_key, *missing[600:]]) == {
        KEY: RECEIPT,
        other_key: OTHER,
    }
    assert cache.counters.hits == {Layer.DISK: 1, Layer.MEMORY: 1}
    assert cache.counters.misses == 1200
    cache.close()


def test_a_poisoned_entry_is_refused_counted_and_replaced(tmp_path: Path) -> None:
    """EX-408: a damaged file, and a true receipt under a wrong key: deleted, counted, said, treated as a miss."""
    refused: list[PeerError] = []
    said = Noted()
    cache = disk_cache(tmp_path)
    cache.refused, cache.note = refused.append, said
    assert cache.disk is not None
    cache.disk.put({KEY: OTHER}, 0)
    assert cache.get(KEY) is None
    assert (cache.counters.rejected, cache.counters.misses) == (1, 1)
    assert str(refused[0].reason) == "foreign_claim"
    problem = "foreign_claim: the entry is dropped and made anew"
    assert said.of(LogEvent.ENTRY_REFUSED) == [
        {"layer": "disk", "reason": "foreign_claim", "problem": problem}
    ]
    assert cache.get_or_make(KEY, lambda: RECEIPT) == RECEIPT
    assert disk_cache(tmp_path).get(KEY) == RECEIPT
    for path in tmp_path.glob("*.entry"):
        path.write_bytes(b"noise")
    assert disk_cache(tmp_path).get(KEY) is None


def test_a_hit_makes_nothing(tmp_path: Path) -> None:
    """EX-814: the maker is called for the first request and for no other."""
    cache, calls = disk_cache(tmp_path), []

    def make() -> bytes:
        calls.append(1)
        return RECEIPT

    for _ in range(100):
        assert cache.get_or_make(KEY, make) == RECEIPT
    assert len(calls) == 1
    assert cache.counters.hit_rate == 99.0


def test_fifty_threads_share_one_flight(tmp_path: Path) -> None:
    """EX-409: of all who ask at once one makes it; the others wait and are neither hits nor misses."""
    cache, calls, begun, go = disk_cache(tmp_path), [], threading.Event(), threading.Event()

    def make() -> bytes:
        calls.append(1)
        begun.set()
        assert go.wait(PATIENCE_S)
        return RECEIPT

    with ThreadPoolExecutor(50) as pool:
        first = pool.submit(cache.get_or_make, KEY, make)
        assert begun.wait(PATIENCE_S)
        others = [pool.submit(cache.get_or_make, KEY, make) for _ in range(49)]
        while cache.counters.shared < 49:
            threading.Event().wait(0.001)
        go.set()
        assert {future.result() for future in [first, *others]} == {RECEIPT}
    assert len(calls) == 1
    assert (sum(cache.counters.hits.values()), cache.counters.misses) == (0, 1)


def test_a_failure_is_not_kept_and_reaches_all(tmp_path: Path) -> None:
    """EX-409: the waiters get the reason; the next request tries again."""
    cache, begun, go = disk_cache(tmp_path), threading.Event(), threading.Event()

    def fail() -> bytes:
        begun.set()
        assert go.wait(PATIENCE_S)
        raise CheckFailedError("no")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get_or_make, KEY, fail)
        assert begun.wait(PATIENCE_S)
        second = pool.submit(cache.get_or_make, KEY, fail)
        while cache.counters.shared < 1:
            threading.Event().wait(0.001)
        go.set()
        for future in (first, second):
            with pytest.raises(CheckFailedError, match="no"):
                future.result()
    assert cache.get_or_make(KEY, lambda: RECEIPT) == RECEIPT


class Asked:
    """Leases that tell when somebody asks for one."""

    def __init__(self, leases: Leases, asked: threading.Event) -> None:
        self._leases, self._asked = leases, asked

    def held(self, key: bytes) -> contextlib.AbstractContextManager[bool]:
        self._asked.set()
        return self._leases.held(key)


def test_processes_share_a_flight_by_a_lock(tmp_path: Path) -> None:
    """EX-409: a second cache over the same folder waits for the first one's leader and takes its receipt."""
    one, two = disk_cache(tmp_path), disk_cache(tmp_path)
    begun, asked, go = threading.Event(), threading.Event(), threading.Event()
    (leases,) = two.leases
    two.leases = (Asked(leases, asked),)

    def make() -> bytes:
        begun.set()
        assert go.wait(PATIENCE_S)
        return RECEIPT

    def never_called() -> bytes:
        raise AssertionError

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(one.get_or_make, KEY, make)
        assert begun.wait(PATIENCE_S)
        second = pool.submit(two.get_or_make, KEY, never_called)
        assert asked.wait(PATIENCE_S)
        assert not second.done()
        go.set()
        assert [first.result(), second.result()] == [RECEIPT, RECEIPT]
    assert two.counters.shared == 1


def test_evictions_are_counted_by_cause() -> None:
    """EX-411: entries, bytes, ttl."""
    clock = ManualClock()
    layer = MemoryLayer(1, 1 << 20, ttl_ns=10)
    cache = ReceiptCache(layer, SIMULATOR.sponge, clock)
    cache.put({KEY: RECEIPT})
    cache.put({key_of(ECHO, b"efgh"): OTHER})
    clock.advance_ns(10)
    assert cache.get(key_of(ECHO, b"efgh")) is None
    assert cache.counters.evictions == {
        (Layer.MEMORY, Eviction.ENTRIES): 1,
        (Layer.MEMORY, Eviction.TTL): 1,
    }
    assert set(cache.sizes()) == {Layer.MEMORY}


def test_memory_alone_works() -> None:
    """EX-403: every layer but memory is optional."""
    cache = ReceiptCache(memory(), SIMULATOR.sponge, SystemClock())
    assert cache.get_or_make(KEY, lambda: RECEIPT) == RECEIPT
    assert cache.get(KEY) == RECEIPT
    cache.close()
