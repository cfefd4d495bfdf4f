"""Leases of workers on a real Redis."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.servers.lossy_link import LossyLink
from tests.servers.redis_process import RedisProcess, redis_process
from tests.servers.redis_stand import linked, store_on
from tests.waiting import PATIENCE_S, until

from veritape.gateway.adapters.degrading_store import DegradingStore
from veritape.gateway.adapters.lease_desk import LeaseDesk, _Desk
from veritape.gateway.adapters.redis_store import RedisStore
from veritape.gateway.adapters.server_link import StoreError
from veritape.gateway.adapters.stores import Terms
from veritape.gateway.degradation import StoreState
from veritape.gateway.fast_quota import plan_of
from veritape.gateway.leases import RECALLED_US, Holding, LeaseRule
from veritape.gateway.quota import MU, Decision, Limits, Mode, State, make_rule, month_of
from veritape.gateway.shared_calls import LeaseReply, keys_of
from veritape.kernel.clock import NANOSECONDS, ManualClock, SystemClock

pytestmark = pytest.mark.usefixtures("whole_month")

CLOCK = SystemClock()
PRO = Limits(make_rule(1_000, 60, 1_500), None, 1_000_000 * MU, None)
RULE = LeaseRule(50 * MU, 500_000, 750 * MU)
TERMS = Terms(PRO, 7, 1_000_000, lease=RULE)
LONG_US = 10_000_000
"""A lease that a worker without a processor for a moment can still spend: what is left at a lease's end is lost."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    with redis_process(tmp_path) as process:
        yield process


@asynccontextmanager
async def worker(server: RedisProcess, boot: str) -> AsyncIterator[DegradingStore]:
    async with linked(server) as link:
        store = DegradingStore(link, store_on(link, boot), CLOCK, 300, 1, lambda _: None)
        running = asyncio.create_task(store.run())
        await until(lambda: store.state is StoreState.HEALTHY)
        try:
            yield store
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def drive(store: DegradingStore, times: int, terms: Terms = TERMS) -> Counter[tuple[bool, Mode]]:
    """Ask for a unit so often, with a pause after each."""
    seen: Counter[tuple[bool, Mode]] = Counter()
    for _ in range(times):
        decision, slot = await store.decide("pro:live", MU, terms)
        seen[decision.admitted, decision.mode] += 1
        store.release_slot("pro:live", slot)
        await asyncio.sleep(0.001)
    return seen


async def settled(store: DegradingStore, holds: Callable[[State], bool], limits: Limits = PRO) -> State:
    """Wait until something holds of what the store knows."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds(state := await store.status("pro:live", limits)):
            await asyncio.sleep(0.01)
    return state


async def test_two_workers_spend_without_asking_and_stay_within_the_bound(server: RedisProcess) -> None:
    """GW-302, GW-306, GW-307: most decisions come from leases; together at most burst + rate x time; the month is exact."""
    async with worker(server, "a") as one, worker(server, "b") as other:
        began_ns = CLOCK.monotonic_ns()
        terms = TERMS._replace(lease=RULE._replace(ttl_us=LONG_US))
        found = await asyncio.gather(drive(one, 1_000, terms), drive(other, 1_000, terms))
        passed_us = (CLOCK.monotonic_ns() - began_ns) // 1_000
        seen = found[0] + found[1]
        admitted = sum(count for (granted, _), count in seen.items() if granted)
        assert admitted <= 1_500 + passed_us * 1_000 // 60_000_000
        assert seen[True, Mode.LEASE] > admitted * 0.6
        await settled(one, lambda state: (state.held_mu, state.used_mu) == (0, admitted * MU))


async def test_a_lease_that_ended_before_its_return_gives_its_month_back(server: RedisProcess) -> None:
    """GW-304: the worker was away until after the lease's end; what it had not spent is charged no more."""
    short = TERMS._replace(lease=LeaseRule(50 * MU, 30_000, 700 * MU))
    async with worker(server, "a") as store:
        seen = Counter[tuple[bool, Mode]]()
        while not seen[True, Mode.LEASE]:
            seen += await drive(store, 100, short)
        time.sleep(0.1)  # noqa: ASYNC251 - the whole worker stands still
        await settled(store, lambda state: state.used_mu == seen.total() * MU)


async def test_a_lease_that_ended_before_its_renewal_gives_its_month_back(server: RedisProcess) -> None:
    """GW-304: all reported, then away until after the lease's end: the new lease is charged, the rest of the old one no more."""
    rule, clock = LeaseRule(50 * MU, 30_000, 700 * MU), ManualClock()
    async with linked(server) as link:
        store = store_on(link)
        desk = LeaseDesk(store, clock, lambda: 1)
        for number in (1, 2):
            await granted(desk, rule, PRO, number)
            assert (await store.status("pro:live", PRO)).used_mu == 3 * MU
            clock.advance_ns(NANOSECONDS)
            while (await store.status("pro:live", PRO)).held_mu:
                await asyncio.sleep(0.01)
        await desk.close()


ENOUGH = Limits(make_rule(1_000_000, 60, 1_000_000), None, 1_000_000 * MU, None)
"""Limits that refuse nothing in a test."""

MISHAPS = [(0.0, 0.0), (0.1, 0.0), (0.0, 0.1)]
"""Shares of calls without an answer, and of those that did not even happen."""


@pytest.mark.parametrize(("lost", "unsent"), MISHAPS)
async def test_the_month_is_what_was_spent_whatever_answers_are_lost(
    server: RedisProcess, lost: float, unsent: float
) -> None:
    """GW-301, GW-304, GW-671: random histories of a desk: answers are lost, leases given up under way, and end early in the store."""
    chance = random.Random(f"{lost} {unsent}")
    async with linked(server) as real:
        for number in range(8):
            link, clock, subject = LossyLink(real, chance), ManualClock(), f"pro{number}:live"
            store = store_on(link, f"boot{number}")
            desk = LeaseDesk(store, clock, lambda: 1)
            link.lost, link.unsent = lost, unsent
            spent = 0
            for _ in range(150):
                spent += await spent_by(desk, store, subject, chance)
                clock.advance_ns(chance.choice([1, 20, 60, 300]) * 1_000_000)
            link.lost = link.unsent = 0.0
            await desk.close()
            await store.settle(everything=True)
            state = await store.status(subject, ENOUGH)
            assert state.used_mu == spent * MU
            assert desk.events["granted"]


async def spent_by(desk: LeaseDesk, store: RedisStore, subject: str, chance: random.Random) -> int:
    """Ask for some units, by the desk and else by the store; let the desk look, and perhaps give all up."""
    plan, rule, spent = plan_of(ENOUGH, MU, 7), LeaseRule(50 * MU, LONG_US, 750 * MU), 0
    for _ in range(chance.randint(0, 12)):
        found = desk.spend(subject, plan, rule)
        try:
            verdict, _ = found or await store.judge(subject, plan)
        except StoreError:
            continue
        spent += verdict.admitted
    desk._look()
    for _ in range(chance.randint(0, 5)):
        await asyncio.sleep(0)
    if chance.random() < 0.3:
        await until(lambda: not desk._asked)
    if chance.random() < 0.05:
        desk.lost()
    return spent


async def granted(desk: LeaseDesk, rule: LeaseRule, limits: Limits, number: int = 1) -> None:
    """Use a desk three times, and see it get its so manieth lease."""
    for _ in range(3):
        desk.spend("pro:live", plan_of(limits, MU, 7), rule)
    await looked(desk)
    assert desk.events["granted"] == number


async def looked(desk: LeaseDesk) -> None:
    """Let a desk look at its leases, and ask what it wants to."""
    desk._look()
    await until(lambda: not desk._asked)


async def test_a_leased_budget_is_admitted_to_its_end_and_not_beyond(server: RedisProcess) -> None:
    """GW-305, GW-307: near the end plain calls take what leases do not grant; a denial stays a denial."""
    tight = TERMS._replace(
        limits=Limits(make_rule(1, 3_600, 400), None, None, None), lease=LeaseRule(50 * MU, LONG_US, 200 * MU)
    )
    async with worker(server, "a") as one, worker(server, "b") as other:
        found = await asyncio.gather(drive(one, 400, tight), drive(other, 400, tight))
        seen = found[0] + found[1]
        admitted = sum(count for (granted, _), count in seen.items() if granted)
        assert admitted <= 400
        assert admitted >= 350
        assert seen[False, Mode.EXACT] > 0


async def test_a_killed_worker_costs_its_lease_once(server: RedisProcess) -> None:
    """GW-304, GW-310: what it held becomes debt when the lease ends, and nobody waits longer."""
    async with worker(server, "a") as one:
        async with linked(server) as link:
            await granted(LeaseDesk(store_on(link, "dead"), ManualClock(), lambda: 1), RULE, PRO)
        after = await settled(one, lambda state: not state.held_mu)
        assert after.minute.debt > 0
        assert after.used_mu == 3 * MU


async def test_slots_come_with_the_lease(server: RedisProcess) -> None:
    """GW-311: requests in progress take leased slots; the sum stays within the limit, and all are free at the end."""
    terms = TERMS._replace(limits=PRO._replace(concurrency=8))

    async def leased(store: DegradingStore) -> tuple[Decision, str]:
        """Ask until a lease decides."""
        while True:
            decision, slot = await store.decide("pro:live", MU, terms)
            if decision.mode is Mode.LEASE:
                return decision, slot
            store.release_slot("pro:live", slot)
            await asyncio.sleep(0.002)

    async with worker(server, "a") as one, worker(server, "b") as other:
        held = [(store, *await leased(store)) for store in (one, other)]
        held += [
            (store, *await store.decide("pro:live", MU, terms)) for store in (one, other) for _ in range(7)
        ]
        admitted = [(store, slot) for store, decision, slot in held if decision.admitted]
        assert 4 <= len(admitted) <= 8
        for store, slot in admitted:
            store.release_slot("pro:live", slot)
        await settled(one, lambda state: not state.slots)


async def test_others_that_are_refused_for_a_lease_call_it_back(server: RedisProcess) -> None:
    """GW-308: the mark stands in the bucket, and the holder that is told of it gives back what it does not need."""
    limits = Limits(make_rule(1, 3_600, 100), None, None, None)
    rule, clock = LeaseRule(50 * MU, 60_000_000, 50 * MU), ManualClock()
    async with linked(server) as link, worker(server, "b") as other:
        store = store_on(link, "a")
        desk = LeaseDesk(store, clock, lambda: 2)
        await granted(desk, rule, limits)
        terms = TERMS._replace(limits=limits, lease=None)
        refused, _ = await other.decide("pro:live", 98 * MU, terms)
        key = keys_of("pro:live", month_of(CLOCK.wall_ns() // 1_000).period, 64)[0]
        assert not refused.admitted
        assert await link.call([b"HGET", key, b"recall"]) is not None
        await granted(desk, rule, limits, 2)
        assert (await store.status("pro:live", limits)).held_mu
        clock.advance_ns((RECALLED_US + 1) * 1_000)
        await looked(desk)
        assert (desk.events["returned"], (await store.status("pro:live", limits)).held_mu) == (1, 0)
        taken, _ = await other.decide("pro:live", 97 * MU, terms)
        assert taken.admitted


async def test_what_is_at_hand_is_spent_as_it_is_when_asked(server: RedisProcess) -> None:
    """GW-301, GW-302: units of a lease that holds enough; who has none, and other limits, change nothing, not even how much is wanted."""
    plan, now_us = plan_of(PRO, MU, 7), CLOCK.monotonic_ns() // 1_000
    async with worker(server, "a") as one:
        desk = one._leases
        assert one.admit_at_hand("pro:live", plan, TERMS, now_us, 0) is None
        assert desk._desks == {}
        reply = LeaseReply(1, 0, State(), 0, 0, 10 * MU, 10 * MU, 0, 0)
        holding = Holding(RULE)
        holding.granted(10 * MU, 0, 10**12, 0, 0, recalled=False)
        desk._desks["held:live"] = _Desk(holding, PRO, reply, asking=True)
        for left in reversed(range(10)):
            found = one.admit_at_hand("held:live", plan, TERMS, CLOCK.monotonic_ns() // 1_000, 0)
            assert found is not None
            assert (found[0].mode, found[0].admitted, holding.held_mu) == (Mode.LEASE, True, left * MU)
        uses = len(holding._uses)
        other = plan_of(PRO._replace(hour=PRO.minute), MU, 7)
        for asked, terms in ((plan, TERMS), (other, TERMS), (plan, TERMS._replace(lease=None))):
            assert one.admit_at_hand("held:live", asked, terms, CLOCK.monotonic_ns() // 1_000, 0) is None
        assert (len(holding._uses), holding.held_mu) == (uses, 0)
        one.states.state = StoreState.LOCAL
        holding.granted(10 * MU, 0, 10**12, 0, 0, recalled=False)
        assert one.admit_at_hand("held:live", plan, TERMS, CLOCK.monotonic_ns() // 1_000, 0) is None
