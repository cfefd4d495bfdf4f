"""Limits that change, in a real Redis and in memory."""

from collections.abc import Awaitable, Callable, Iterator

import pytest
from tests.servers.redis_process import RedisProcess, redis_process
from tests.servers.redis_stand import FREE, linked, store_on

from veritape.gateway.memory_store import MemoryStore
from veritape.gateway.quota import MU, Bucket, Decision, Limits, make_rule
from veritape.gateway.reasons import Reason
from veritape.gateway.shared_calls import keys_of
from veritape.kernel.clock import SystemClock

pytestmark = pytest.mark.usefixtures("whole_month")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with redis_process(tmp_path_factory.mktemp("redis")) as process:
        yield process


async def test_a_smaller_rule_cuts_what_is_owed_once(server: RedisProcess) -> None:
    """GW-211: Pro 900 owed, then Free: the debt is Free's burst, in Redis and in memory alike; less than that stays."""
    pro = Limits(make_rule(1_000, 60, 1_500), make_rule(30_000, 3_600, 30_000))
    async with linked(server) as link:
        store, memory = store_on(link), MemoryStore()
        for _ in range(90):
            await store.decide("clamp:live", pro, 10 * MU, 1)
            memory.decide("clamp:live", pro, 10 * MU, 0, 0, 1)
        await store.clamp("clamp:live", FREE)
        memory.clamp("clamp:live", FREE, 0)
        shared, alone = await store.status("clamp:live", FREE), memory.status("clamp:live", FREE, 0, 0)
    free, hour = FREE.minute, FREE.hour
    assert free is not None
    assert hour is not None
    assert alone.minute == Bucket(150 * MU * free.weight, 0, free.weight)
    assert alone.hour == Bucket(900 * MU * hour.weight, 0, hour.weight)
    assert 0 <= alone.minute.debt - shared.minute.debt <= 5_000_000 * free.gain
    assert 0 <= alone.hour.debt - shared.hour.debt <= 5_000_000 * hour.gain


Decide = Callable[[Limits, int], Awaitable[Decision]]
"""Limits and units of a request of one account."""


@pytest.mark.parametrize("kind", ["memory", "redis"])
async def test_limits_that_change_keep_what_is_owed_and_used(server: RedisProcess, kind: str) -> None:
    """GW-106: another rule, no rule and the rule again; a month keeps its units under another quota."""
    small, large = make_rule(1, 60, 150), make_rule(2, 60, 1_500)  # a unit a minute: the test is faster
    async with linked(server) as link:
        memory, redis, wall_us = MemoryStore(), store_on(link), SystemClock().wall_ns() // 1_000

        async def decide(limits: Limits, units: int) -> Decision:
            if kind == "memory":
                return memory.decide("changing:live", limits, units * MU, 7, wall_us, 1)[0]
            return (await redis.decide("changing:live", limits, units * MU, 1))[0]

        assert (await decide(Limits(small), 140)).admitted
        assert await left(decide, Limits(large), 1) == 1_500 - 141
        assert (await decide(Limits(), 5)).admitted
        if kind == "redis":
            keys = keys_of("changing:live", "", 64)
            assert await link.call([b"PTTL", keys[0]]) > 0
        assert await left(decide, Limits(small), 1) == 150 - 142
        denied = await decide(Limits(month_mu=100 * MU), 1)
        assert (denied.reason, denied.limits[0].remaining_mu) == (Reason.MONTH_QUOTA_EXHAUSTED, 0)
        assert await left(decide, Limits(month_mu=200 * MU), 1) == 200 - 148


async def left(decide: Decide, limits: Limits, units: int) -> int:
    """Return the whole units that an admitted request leaves of its one limit."""
    decision = await decide(limits, units)
    assert decision.admitted
    return decision.limits[0].remaining_mu // MU
