"""What other limiters get wrong, as regressions of ours (GW-965)."""

import asyncio
import secrets
from pathlib import Path

import pytest
from tests.servers.redis_process import redis_process

from veritape.gateway.adapters.redis_address import parse_redis_url
from veritape.gateway.adapters.redis_link import RedisLink
from veritape.gateway.adapters.redis_store import RedisStore
from veritape.gateway.memory_store import MemoryStore
from veritape.gateway.quota import MICROSECONDS, LimitName, Limits, make_rule
from veritape.kernel.clock import SystemClock

WALL_US = 1_795_187_045 * MICROSECONDS
ROOM = Limits(make_rule(1_000, 60, 1_000), make_rule(10_000, 3_600, 10_000), 10_000_000, 1_000)
TIGHT = {
    LimitName.MONTH: ROOM._replace(month_mu=3_000),
    LimitName.HOUR: ROOM._replace(hour=make_rule(3, 3_600, 3)),
    LimitName.MINUTE: ROOM._replace(minute=make_rule(3, 60, 3)),
    LimitName.CONCURRENCY: ROOM._replace(concurrency=3),
}


@pytest.mark.parametrize("name", TIGHT)
def test_each_limit_in_turn_denies_and_no_other_is_touched(name: LimitName) -> None:
    """GW-965, GW-208: the fourth request is denied by one limit; buckets, month and slots stay as they were."""
    store = MemoryStore()
    answers = [store.decide("a:live", TIGHT[name], 1_000, 0, WALL_US, 7)[0].admitted for _ in range(3)]
    assert answers == [True] * 3
    before = store.status("a:live", TIGHT[name], 0, WALL_US)
    for _ in range(5):
        decision, slot = store.decide("a:live", TIGHT[name], 1_000, 0, WALL_US, 7)
        assert (decision.admitted, decision.violated, slot) == (False, (name,), 0)
    assert store.status("a:live", TIGHT[name], 0, WALL_US) == before


@pytest.mark.parametrize("demand_a_second", [2, 10, 100])
def test_a_clock_of_whole_seconds_would_lose_rate(demand_a_second: int) -> None:
    """GW-965, GW-205: 100 a minute stay 100 a minute at any demand (a peer's bucket, refilled by whole seconds, admits 60)."""
    limits, store = Limits(make_rule(100, 60, 150)), MemoryStore()
    step_us = MICROSECONDS // demand_a_second
    admitted = sum(
        store.decide("a:live", limits, 1_000, now_us, WALL_US, 7)[0].admitted for now_us in range(0, 600 * MICROSECONDS, step_us)
    )  # fmt: skip
    assert admitted == 150 + 999


def test_no_window_s_edge_admits_two_windows() -> None:
    """GW-965, GW-204: 100 at the end of a minute and 100 at the start of the next are 101 here (a fixed window admits 200)."""
    limits, store = Limits(make_rule(100, 60, 100)), MemoryStore()
    moments = [59_500_000] * 100 + [60_100_000] * 100
    admitted = sum(
        store.decide("a:live", limits, 1_000, now_us, WALL_US, 7)[0].admitted for now_us in moments
    )
    assert admitted == 101


async def _no_sums(subject: str, period: str) -> dict[str, int]:
    del subject, period
    return {}


async def test_a_short_life_in_redis_forgets_nothing_and_many_at_once_get_no_more(tmp_path: Path) -> None:
    """GW-965, GW-256: a key outlives its debt (a peer's TTL of 0 lets all pass); 200 at once on 50 units are 50, not check-then-increment."""
    with redis_process(tmp_path) as server:
        link = RedisLink(parse_redis_url(server.url), 5.0)
        running = asyncio.create_task(link.run())
        await link.connected.wait()
        store = RedisStore(link, secrets.token_hex(8), _no_sums, SystemClock())
        await store.agreement.prepare(secrets.token_bytes(16))
        fast = Limits(make_rule(1_000, 1, 1))
        assert (await store.decide("fast:live", fast, 1_000, 7))[0].admitted
        (key,) = await link.call([b"KEYS", b"*b:fast:live"])
        assert 0 < await link.call([b"PTTL", key]) <= 1_002  # a debt of 1 ms, and a second
        slow = Limits(make_rule(1, 3_600, 50))
        found = await asyncio.gather(*(store.decide("slow:live", slow, 1_000, 7) for _ in range(200)))
        assert sum(decision.admitted for decision, _ in found) == 50
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
