"""Leases of workers on a real Redis."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.servers.redis_process import RedisProcess, redis_process

from veritape.gateway.adapters.degrading_store import DegradingStore
from veritape.gateway.adapters.redis_link import RedisLink, parse_redis_url
from veritape.gateway.adapters.redis_store import RedisStore
from veritape.gateway.adapters.stores import Terms
from veritape.gateway.degradation import StoreState
from veritape.gateway.leases import LeaseRule
from veritape.gateway.quota import MU, Limits, Mode, make_rule
from veritape.gateway.shared_calls import keys_of
from veritape.kernel.clock import SystemClock

CLOCK = SystemClock()
PRO = Limits(make_rule(1_000, 60, 1_500), None, 1_000_000 * MU, None)
RULE = LeaseRule(50 * MU, 500_000, 750 * MU)
TERMS = Terms(PRO, 7, 1_000_000, lease=RULE)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    with redis_process(tmp_path) as process:
        yield process


async def no_sums(subject: str, period: str) -> Mapping[str, int]:
    del subject, period
    return {}


@asynccontextmanager
async def worker(server: RedisProcess, boot: str) -> AsyncIterator[DegradingStore]:
    link = RedisLink(parse_redis_url(server.url), 1)
    redis = RedisStore(link, boot, no_sums, CLOCK)
    store = DegradingStore(link, redis, CLOCK, 300, 1, lambda _: None)
    linked, running = asyncio.create_task(link.run()), asyncio.create_task(store.run())
    async with asyncio.timeout(10):
        while store.state is not StoreState.HEALTHY:
            await asyncio.sleep(0.01)
    try:
        yield store
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        linked.cancel()
        await asyncio.gather(linked, return_exceptions=True)


async def drive(
    store: DegradingStore, seconds: float, pause_s: float, terms: Terms = TERMS
) -> Counter[tuple[bool, Mode]]:
    """Ask for a unit again and again."""
    seen: Counter[tuple[bool, Mode]] = Counter()
    end_ns = CLOCK.monotonic_ns() + int(seconds * 1e9)
    while CLOCK.monotonic_ns() < end_ns:
        decision, slot = await store.decide("pro:live", MU, terms)
        seen[decision.admitted, decision.mode] += 1
        store.release_slot("pro:live", slot)
        await asyncio.sleep(pause_s)
    return seen


async def test_two_workers_spend_without_asking_and_stay_within_the_bound(server: RedisProcess) -> None:
    """GW-302, GW-306, GW-307: most decisions come from leases; together at most burst + rate x time; the month is exact."""
    async with worker(server, "a") as one, worker(server, "b") as other:
        began_ns = CLOCK.monotonic_ns()
        found = await asyncio.gather(drive(one, 1.2, 0.001), drive(other, 1.2, 0.001))
        passed_us = (CLOCK.monotonic_ns() - began_ns) // 1_000
        seen = found[0] + found[1]
        admitted = sum(count for (granted, _), count in seen.items() if granted)
        assert admitted <= 1_500 + passed_us * 1_000 // 60_000_000
        assert seen[True, Mode.LEASE] > admitted * 0.6
        async with asyncio.timeout(5):
            while (state := await one.status("pro:live", PRO)).held_mu or state.used_mu != admitted * MU:
                await asyncio.sleep(0.02)


async def test_a_lease_that_ended_before_its_return_gives_its_month_back(server: RedisProcess) -> None:
    """GW-304: the worker was away until after the lease's end; what it had not spent is charged no more."""
    short = TERMS._replace(lease=LeaseRule(50 * MU, 30_000, 700 * MU))
    async with worker(server, "a") as store:
        seen = await drive(store, 0.3, 0.001, short)
        time.sleep(0.1)  # noqa: ASYNC251 - the whole worker stands still
        async with asyncio.timeout(5):
            while (await store.status("pro:live", PRO)).used_mu != seen.total() * MU:
                await asyncio.sleep(0.02)
    assert seen[True, Mode.LEASE]


async def test_a_leased_budget_is_admitted_to_its_end_and_not_beyond(server: RedisProcess) -> None:
    """GW-305, GW-307: near the end plain calls take what leases do not grant; a denial stays a denial."""
    tight = TERMS._replace(
        limits=Limits(make_rule(1, 3_600, 400), None, None, None), lease=LeaseRule(50 * MU, 500_000, 200 * MU)
    )
    async with worker(server, "a") as one, worker(server, "b") as other:
        found = await asyncio.gather(drive(one, 1.0, 0.001, tight), drive(other, 1.0, 0.001, tight))
        seen = found[0] + found[1]
        admitted = sum(count for (granted, _), count in seen.items() if granted)
        assert admitted <= 400
        assert admitted >= 350
        assert seen[False, Mode.EXACT] > 0


async def test_a_killed_worker_costs_its_lease_once(server: RedisProcess) -> None:
    """GW-304, GW-310: what it held becomes debt when the lease ends, and nobody waits longer."""
    async with worker(server, "a") as one:
        dead = asyncio.create_task(link_and_die(server))
        await dead
        state = await one.status("pro:live", PRO)
        assert state.held_mu > 0
        await asyncio.sleep(0.55)
        after = await one.status("pro:live", PRO)
        assert (after.held_mu, after.minute.debt > 0) == (0, True)
        assert after.used_mu == state.used_mu


async def link_and_die(server: RedisProcess) -> None:
    """Take a lease as a worker that never comes back."""
    link = RedisLink(parse_redis_url(server.url), 1)
    linked = asyncio.create_task(link.run())
    await link.connected.wait()
    store = DegradingStore(link, RedisStore(link, "dead", no_sums, CLOCK), CLOCK, 300, 1, lambda _: None)
    running = asyncio.create_task(store._watch())
    while store.state is not StoreState.HEALTHY:
        await asyncio.sleep(0.005)
    desk = asyncio.create_task(store._leases.run())
    await drive(store, 0.15, 0.002)
    for task in (running, desk, linked):
        task.cancel()
    link._drop()
    await asyncio.gather(running, desk, linked, return_exceptions=True)


async def test_slots_come_with_the_lease(server: RedisProcess) -> None:
    """GW-311: requests in progress take leased slots; the sum stays within the limit, and all are free at the end."""
    terms = TERMS._replace(limits=PRO._replace(concurrency=8))
    async with worker(server, "a") as one, worker(server, "b") as other:
        await asyncio.gather(drive(one, 0.4, 0.002, terms), drive(other, 0.4, 0.002, terms))
        held = [await store.decide("pro:live", MU, terms) for store in (one, other) for _ in range(8)]
        admitted = [(decision, slot) for decision, slot in held if decision.admitted]
        assert 4 <= len(admitted) <= 8
        assert {decision.mode for decision, _ in admitted} >= {Mode.LEASE}
        for number, (decision, slot) in enumerate(held):
            if decision.admitted:
                (one if number < 8 else other).release_slot("pro:live", slot)
        async with asyncio.timeout(5):
            while (await one.status("pro:live", PRO)).slots:
                await asyncio.sleep(0.02)


async def test_others_that_are_refused_for_a_lease_call_it_back(server: RedisProcess) -> None:
    """GW-308: the mark stands in the bucket, and the holder gives back what it does not need."""
    limits = Limits(make_rule(1, 3_600, 100), None, None, None)
    terms = TERMS._replace(limits=limits, lease=LeaseRule(50 * MU, 5_000_000, 50 * MU))
    async with worker(server, "a") as one, worker(server, "b") as other:
        await drive(one, 0.1, 0.004, terms)
        state = await one.status("pro:live", limits)
        rule = limits.minute
        assert rule is not None
        assert state.held_mu > MU
        free_mu = rule.burst_mu - -(-state.minute.debt // rule.weight)
        refused, _ = await other.decide("pro:live", free_mu - state.held_mu + MU, terms._replace(lease=None))
        key = keys_of("pro:live", "2026-11", 64)[0]
        assert not refused.admitted
        assert await one._redis._link.call([b"HGET", key, b"recall"]) is not None
        async with asyncio.timeout(5):
            while (await one.status("pro:live", limits)).held_mu:
                await asyncio.sleep(0.01)
        granted, _ = await other.decide("pro:live", free_mu - state.held_mu + MU, terms._replace(lease=None))
        assert granted.admitted
