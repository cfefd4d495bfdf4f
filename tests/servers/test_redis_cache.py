"""The cache with a real Redis: shared, attacked, paused, killed."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from tests.compiled import SIMULATOR
from tests.receipt_caches import ECHO, key_of, memory
from tests.waiting import PATIENCE_S

from tests.servers.redis_process import RedisProcess, redis_process  # isort: skip
from veritape.executor.adapters.cache.disk import DiskLayer
from veritape.executor.adapters.cache.flights import RedisLeases
from veritape.executor.adapters.cache.receipt_cache import ReceiptCache
from veritape.executor.adapters.cache.redis_layer import LEASE_MS, OPERATION_S, RedisLayer
from veritape.executor.cache.counters import Layer
from veritape.executor.cache.entries import shared_name
from veritape.kernel.clock import SystemClock

SECRET = b"s" * 32
RECEIPT = SIMULATOR.run(ECHO, b"abcd").to_bytes()
OTHER = SIMULATOR.run(ECHO, b"efgh").to_bytes()
KEY, OTHER_KEY = key_of(ECHO, b"abcd"), key_of(ECHO, b"efgh")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with redis_process(tmp_path_factory.mktemp("redis")) as running:
        yield running


def cache(server: RedisProcess, secret: bytes = SECRET, operation_s: float = PATIENCE_S) -> ReceiptCache:
    """Return a cache before a Redis that may answer late, as on a busy machine."""
    made = ReceiptCache(memory(), SIMULATOR.sponge, SystemClock())

    def failed() -> None:
        made.counters.unavailable += 1

    made.redis = RedisLayer(server.url, secret, made.clock, failed, operation_s=operation_s)
    made.leases = (RedisLeases(made.redis, renew_s=0.05),)
    return made


def attacker(server: RedisProcess) -> "redis.Redis":
    client = redis.Redis.from_url(server.url)
    client.flushall()
    return client


def test_machines_share_what_one_executed(server: RedisProcess) -> None:
    """EX-403: a second cache finds in Redis what the first put; the key's name and TTL say nothing of the input."""
    client = attacker(server)
    one, two = cache(server), cache(server)
    assert one.get_or_make(KEY, lambda: RECEIPT) == RECEIPT
    assert two.get(KEY) == RECEIPT
    assert two.counters.hits == {Layer.REDIS: 1}
    (name,) = client.keys("vt:pc:*")
    assert KEY.hex().encode() not in name
    assert 0 < client.pttl(name) <= 7 * 24 * 3600 * 1000


def test_what_redis_had_is_copied_to_disk_in_one_write(server: RedisProcess, tmp_path: Path) -> None:
    """EX-403: filled upwards: at once in memory, on disk together with others, at the latest when the cache is closed."""
    attacker(server)
    cache(server).put({KEY: RECEIPT, OTHER_KEY: OTHER})
    mine = cache(server)
    mine.disk = DiskLayer(tmp_path, 1 << 20, 0)
    assert mine.get_many([KEY, OTHER_KEY]) == {KEY: RECEIPT, OTHER_KEY: OTHER}
    assert (len(mine.memory), len(mine.disk)) == (2, 0)
    assert mine.get_many([KEY, OTHER_KEY]) == {KEY: RECEIPT, OTHER_KEY: OTHER}
    assert mine.counters.hits == {Layer.REDIS: 2, Layer.MEMORY: 2}
    mine.close()
    assert len(list(tmp_path.glob("*.entry"))) == 1
    again = DiskLayer(tmp_path, 1 << 20, 0)
    assert (again.get(KEY, 0)[0], again.get(OTHER_KEY, 0)[0]) == (RECEIPT, OTHER)
    again.close()


@pytest.mark.parametrize("forgery", ["forged", "cut", "crossed", "large", "other secret"])
def test_an_attackers_value_is_refused(server: RedisProcess, forgery: str) -> None:
    """EX-720, EX-815: forged, cut, another key's, oversized or another secret's value: rejected, counted, deleted, a miss."""
    client = attacker(server)
    cache(server, b"x" * 32 if forgery == "other secret" else SECRET).put({KEY: RECEIPT, OTHER_KEY: OTHER})
    name = shared_name(KEY, SECRET)
    value = client.get(name) or b""
    values = {
        "forged": bytes(8) + OTHER + bytes(32),
        "cut": value[:-1],
        "crossed": client.get(shared_name(OTHER_KEY, SECRET)) or b"",
        "large": bytes(65 * 1024 * 1024),
        "other secret": client.get(shared_name(KEY, b"x" * 32)) or b"",
    }
    client.set(name, values[forgery])
    mine = cache(server)
    assert mine.get(KEY) is None
    assert (mine.counters.rejected + mine.counters.unavailable >= 1, mine.counters.misses) == (True, 1)
    if forgery != "large":
        assert mine.counters.rejected == 1
        assert client.get(name) is None
    assert mine.get_or_make(KEY, lambda: RECEIPT) == RECEIPT


def test_a_lease_is_held_renewed_fenced_and_let_go(server: RedisProcess) -> None:
    """EX-409: SET NX PX 30 s, renewed while the work goes on; a stranger's token neither renews nor releases it."""
    client = attacker(server)
    one, two = cache(server), cache(server)
    assert one.redis is not None
    assert two.redis is not None
    with one.leases[0].held(KEY) as mine:
        assert mine
        (name,) = client.keys("vt:pl:*")
        assert LEASE_MS - 5000 < client.pttl(name) <= LEASE_MS
        with two.leases[0].held(KEY) as theirs:
            assert not theirs
        two.redis.release(KEY, "stranger")
        two.redis.renew(KEY, "stranger")
        client.pexpire(name, 5000)
        waited = threading.Event()
        while client.pttl(name) <= 5000:
            waited.wait(0.01)
    assert client.exists(name) == 0


def test_a_leader_that_died_is_followed(server: RedisProcess) -> None:
    """EX-409: a lease that nobody renews ends by itself, and the waiter makes the receipt."""
    client = attacker(server)
    waiter = cache(server)
    assert waiter.redis is not None
    assert waiter.redis.acquire(KEY, "a process that died")
    (name,) = client.keys("vt:pl:*")
    client.pexpire(name, 200)
    assert waiter.get_or_make(KEY, lambda: RECEIPT) == RECEIPT


def test_a_server_that_hangs_or_dies_is_left_alone(tmp_path: Path) -> None:
    """EX-410, EX-815: 50 ms an operation; after five failures the work goes on without the layer, counted; nothing raises."""
    with redis_process(tmp_path) as server:
        mine = cache(server, operation_s=OPERATION_S)
        mine.put({KEY: RECEIPT})
        server.signal(signal.SIGSTOP)
        for _ in range(20):  # who waited for an answer would wait for ever
            assert mine.get(OTHER_KEY) is None
        assert mine.counters.unavailable == 5
        server.signal(signal.SIGCONT)
        server.kill()
        calls: list[int] = []

        def make() -> bytes:
            calls.append(1)
            return OTHER

        assert mine.get_or_make(OTHER_KEY, make) == OTHER
        assert calls == [1]
