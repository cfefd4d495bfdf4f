"""What a real Redis keeps when it is killed or loses power, and whose clock counts."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.redis_process import RedisProcess, redis_process
from tests.servers.redis_stand import linked, no_sums, store_on

from veritape.gateway.adapters.redis_link import RedisLink
from veritape.gateway.adapters.redis_store import RedisStore
from veritape.gateway.adapters.server_link import StoreError
from veritape.gateway.quota import MU, Limits, make_rule, month_of
from veritape.kernel.clock import ManualClock, SystemClock

BURST = 20
SLOW = Limits(None, make_rule(1, 3_600, BURST), 1_000 * MU, None)
"""What is spent comes back after an hour: nothing does while a test runs."""
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "gateway.md"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    with redis_process(tmp_path) as process:
        yield process


def written(server: RedisProcess) -> Path:
    """Return the file that the server appends to."""
    (found,) = server.folder.glob("appendonlydir/*.incr.aof")
    return found


async def spend(store: RedisStore, times: int) -> int:
    """Ask so often; return how many were admitted."""
    return sum([(await store.decide("acme:live", SLOW, MU, 7))[0].admitted for _ in range(times)])


async def back(store: RedisStore) -> None:
    """Wait until the server answers again."""
    while True:
        try:
            if await store.health():
                return
        except StoreError:
            pass
        await asyncio.sleep(0.02)


async def flushed(link: RedisLink) -> None:
    """Wait until the server's file has all that it answered: while the disk is busy with a sync, Redis writes up to 2 s later."""
    while b"aof_buffer_length:0\r\n" not in await link.call([b"INFO", b"persistence"]):
        await asyncio.sleep(0.02)


async def test_a_killed_redis_has_lost_nothing(server: RedisProcess) -> None:
    """GW-259: kill -9 once the kernel has the writes, and a start with the documented setting: buckets and months are as they were; the burst is not given twice."""
    assert "`appendonly yes` with `everysec`" in GUIDE.read_text()
    async with linked(server) as link:
        store = store_on(link)
        assert await spend(store, BURST + 1) == BURST
        before = await store.status("acme:live", SLOW)
        await flushed(link)
        server.kill()
        server.start()
        await back(store)
        after = await store.status("acme:live", SLOW)
        assert (before.used_mu, after.used_mu) == (BURST * MU, BURST * MU)
        rule = SLOW.hour
        assert rule is not None
        decayed = (after.hour.at_us - before.hour.at_us) * rule.gain
        assert before.hour.debt - decayed <= after.hour.debt <= before.hour.debt
        assert await spend(store, 3) == 0


async def test_lost_power_costs_at_most_what_was_lost(server: RedisProcess) -> None:
    """GW-259, GW-257, GW-671: the last of the file is gone: months heal with the next call, a bucket admits again what it had lost and no more."""
    async with linked(server) as link:
        store = store_on(link)
        assert await spend(store, 12) == 12
        await flushed(link)
        kept_bytes = written(server).stat().st_size
        assert await spend(store, 8) == 8
        server.kill()
        with written(server).open("r+b") as file:
            file.truncate(kept_bytes)
        server.start()
        await back(store)
        assert (await store.status("acme:live", SLOW)).used_mu == 12 * MU
        again = await spend(store, BURST)
        assert again == 8
        assert (await store.status("acme:live", SLOW)).used_mu == (BURST + again) * MU
        assert await spend(store, 3) == 0


async def test_no_clock_of_a_worker_decides(server: RedisProcess) -> None:
    """GW-002: a worker whose clocks are years ahead gets no credit and no other month: the store's TIME is asked."""
    async with linked(server) as link:
        ahead = ManualClock(wall_ns=4 * 10**18, monotonic_ns=3 * 10**18)
        store = RedisStore(link, "b2", no_sums, ahead)
        assert await spend(store, BURST) == BURST
        ahead.advance_ns(10**17)
        ahead.step_wall_ns(10**17)
        denied, _ = await store.decide("acme:live", SLOW, MU, 7)
        now_us = SystemClock().wall_ns() // 1_000
        assert (denied.admitted, denied.period) == (False, month_of(now_us).period)
