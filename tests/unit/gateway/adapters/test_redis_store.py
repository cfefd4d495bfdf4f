"""Decisions in a real Redis."""

import asyncio
import random
from collections.abc import Iterator

import pytest
from tests.servers.lossy_link import LossyLink
from tests.servers.redis_process import RedisProcess, redis_process
from tests.servers.redis_stand import FREE, linked, store_on
from tests.waiting import PATIENCE_S, until

from veritape.gateway.adapters.redis_store import CLOCK_STEP_US, RedisStore
from veritape.gateway.adapters.server_link import StoreError
from veritape.gateway.fast_quota import plan_of
from veritape.gateway.memory_store import MemoryStore
from veritape.gateway.quota import MU, Limits, make_rule, month_of
from veritape.gateway.shared_calls import keys_of, period_of
from veritape.gateway.shared_state import Renewal
from veritape.kernel.clock import SystemClock

pytestmark = pytest.mark.usefixtures("whole_month")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with redis_process(tmp_path_factory.mktemp("redis")) as process:
        yield process


async def test_equal_histories_give_equal_answers_in_memory_and_in_redis(server: RedisProcess) -> None:
    """GW-251, GW-962: a burst, refusals, slots and refunds; only the clock differs, so waits may differ by what passed."""
    async with linked(server) as link:
        shared, memory = store_on(link), MemoryStore()
        start_us = SystemClock().monotonic_ns() // 1_000
        limits = FREE._replace(concurrency=None)
        for step in range(400):
            cost = (1_000, 2_000, 500)[step % 3]
            found, _ = await shared.decide("same:live", limits, cost, 7)
            wall_us = SystemClock().wall_ns() // 1_000
            expected, _ = memory.decide("same:live", limits, cost, start_us, wall_us, 7)
            if step < 120:
                assert (found.admitted, found.reason) == (expected.admitted, expected.reason)
        state = await shared.status("same:live", limits)
        used = memory.months["same:live", month_of(wall_us).period]
        assert used <= state.used_mu <= used + 20 * MU


async def test_slots_months_refunds_and_resets(server: RedisProcess) -> None:
    """GW-210, GW-212, GW-216, GW-255: slots are bounded and freed, units come back, a reset forgives the buckets alone."""
    async with linked(server) as link:
        store = store_on(link)
        slots = [(await store.decide("acme:live", FREE, 1_000, 7))[1] for _ in range(11)]
        assert [bool(slot) for slot in slots] == [True] * 10 + [False]
        for slot in slots:
            store.release_slot("acme:live", slot)
            store.release_slot("acme:live", slot)
        period = month_of(SystemClock().wall_ns() // 1_000).period
        await store.months.refund("acme:live", period, 4_000)
        state = await store.status("acme:live", FREE)
        assert (state.used_mu, state.slots, state.minute.debt > 0) == (6_000, 0, True)
        await store.reset("acme:live")
        state = await store.status("acme:live", FREE)
        assert (state.used_mu, state.minute.debt, await store.health()) == (6_000, 0, True)


async def test_a_slot_whose_taker_left_before_the_answer_is_freed(server: RedisProcess) -> None:
    """GW-210: nobody else knows it, and it would be held until its deadline."""
    async with linked(server) as link:
        store = store_on(link)
        await store.decide("left:live", FREE, 1_000, 7)
        asking = asyncio.create_task(store.decide("left:live", FREE, 1_000, 7))
        for _ in range(2):  # it asks, the connection writes
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert (await store.status("left:live", FREE)).slots == 2
        await store.settle()
        assert (await store.status("left:live", FREE)).slots == 1


async def cancelled(store: RedisStore, subject: str) -> None:
    """Ask for a unit, and leave before the answer."""
    asking = asyncio.create_task(store.decide(subject, FREE, 1_000, 7))
    for _ in range(2):  # it asks, the connection writes
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


async def test_a_charge_that_nobody_heard_of_is_taken_back(server: RedisProcess) -> None:
    """GW-671: without a further call of the subject, which may never come; also while its share is being settled."""
    async with linked(server) as link:
        store = store_on(link)
        await store.decide("gone:live", FREE, 1_000, 7)
        await cancelled(store, "gone:live")
        assert (await store.status("gone:live", FREE)).used_mu == 2_000
        settling = asyncio.create_task(store.settle(everything=True))
        await asyncio.sleep(0)
        await cancelled(store, "gone:live")
        await settling
        await store.settle()
        assert (await store.status("gone:live", FREE)).used_mu == 1_000


async def test_what_could_not_be_settled_stays_due(server: RedisProcess) -> None:
    """GW-671: a share that the store was not told, and a lease whose answer was lost."""
    async with linked(server) as real:
        link = LossyLink(real, random.Random(671))
        store = store_on(link)
        await store.decide("due:live", FREE, 1_000, 7)
        store.months.charged("due:live", month_of(SystemClock().wall_ns() // 1_000).period, 3_000)
        link.unsent = 1.0
        with pytest.raises(StoreError):
            await store.settle(everything=True)
        link.unsent = 0.0
        await store.settle()
        assert (await store.status("due:live", FREE)).used_mu == 4_000
        renewal = Renewal(FREE, "", 0, 0, 0, MU, 1, 50 * MU, 75 * MU, 500_000, 1, 0, exact=False)
        await store.renew("other:live", renewal)  # the store knows the script from now on
        link.lost = 1.0
        with pytest.raises(StoreError):
            await store.renew("due:live", renewal)
        link.lost = 0.0
        assert (await store.status("due:live", FREE)).used_mu == 5_000
        await store.settle()
        assert (await store.status("due:live", FREE)).used_mu == 4_000


async def test_a_slot_that_was_freed_without_a_connection_is_freed_when_there_is_one(
    server: RedisProcess,
) -> None:
    """GW-210, GW-349: a connection that breaks under load keeps no slot of the requests that were in progress."""
    async with linked(server) as link:
        store = store_on(link)
        slots = [(await store.decide("cut:live", FREE, 1_000, 7))[1] for _ in range(10)]
        await link.call([b"QUIT"])
        await until(lambda: not link.connected.is_set())
        for slot in slots:
            store.release_slot("cut:live", slot)
        await asyncio.wait_for(link.connected.wait(), PATIENCE_S)
        assert (await store.status("cut:live", FREE)).slots == 10
        await store.settle()
        assert (await store.status("cut:live", FREE)).slots == 0


async def test_keys_expire_when_they_say_nothing_more(server: RedisProcess) -> None:
    """GW-255, GW-256: a bucket lives until it owes nothing and a second longer, a month 62 days past its end."""
    async with linked(server) as link:
        await store_on(link).decide("ttl:live", FREE, 150_000, 7)
        period = period_of(SystemClock().wall_ns() // 1_000)
        keys = keys_of("ttl:live", period.name, 64)
        left_ms = await link.call([b"PTTL", keys[0]])
        assert 180_000 <= left_ms <= 181_000
        assert await link.call([b"PEXPIRETIME", keys[1]]) == int(period.expire_ms)
        assert 60_000 < await link.call([b"PTTL", keys[2]]) <= 66_100


async def test_scripts_are_loaded_again_after_they_were_flushed(server: RedisProcess) -> None:
    """GW-254: NOSCRIPT is answered with the text, once."""
    async with linked(server) as link:
        store = store_on(link)
        await store.decide("flush:live", FREE, 1_000, 7)
        await link.call([b"SCRIPT", b"FLUSH"])
        decision, _ = await store.decide("flush:live", FREE, 1_000, 7)
        assert decision.admitted


async def test_garbage_and_errors_are_store_failures(server: RedisProcess) -> None:
    """GW-262: a wrong type under our key, and a value that no script wrote."""
    async with linked(server) as link:
        store = store_on(link)
        period = month_of(SystemClock().wall_ns() // 1_000).period
        keys = keys_of("bad:live", period, 64)
        await link.call([b"SET", keys[0], b"text"])
        with pytest.raises(StoreError, match=r"the store answered (WRONGTYPE|ERR)"):
            await store.decide("bad:live", FREE, 1_000, 7)
        await link.call([b"DEL", keys[0]])
        await link.call([b"HSET", keys[0], b"minute", b"x"])
        with pytest.raises(StoreError):
            await store.decide("bad:live", FREE, 1_000, 7)


async def test_the_promise_holds_for_callers_at_once(server: RedisProcess) -> None:
    """GW-204, GW-963: 400 requests at the same time through four stores admit a burst and what the time brought."""
    async with linked(server) as link:
        stores = [store_on(link, f"b{n}") for n in range(4)]
        limits = FREE._replace(concurrency=None, hour=None)
        began_us = SystemClock().monotonic_ns() // 1_000
        found = await asyncio.gather(
            *(stores[n % 4].decide("herd:live", limits, 1_000, 7) for n in range(400))
        )
        admitted = sum(decision.admitted for decision, _ in found)
        passed_us = SystemClock().monotonic_ns() // 1_000 - began_us
        assert 150 <= admitted <= 150 + passed_us * 100 / 60_000_000
        assert (await stores[0].status("herd:live", limits)).used_mu == admitted * MU


async def test_the_month_turns_with_the_store(server: RedisProcess) -> None:
    """GW-209, GW-257: the store's clock says which month it is; a store that believes another one asks again, for all that waits."""
    async with linked(server) as link:
        store, now_us = store_on(link), SystemClock().wall_ns() // 1_000
        await store.decide("turns:live", FREE, MU, 7)
        store._turn_month(period_of(now_us).start_us - 1)
        found = await asyncio.gather(*(store.decide("turns:live", FREE, MU, 7) for _ in range(5)))
        assert {(decision.admitted, decision.period) for decision, _ in found} == {
            (True, period_of(now_us).name)
        }
        assert (await store.status("turns:live", FREE)).used_mu == 6 * MU
        reply = await store.renew(
            "turns:live", Renewal(FREE, "", 0, 0, 0, MU, 1, 50 * MU, 75 * MU, 500_000, 1, 0, exact=False)
        )
        assert reply.granted_mu == MU


async def test_the_straight_way_charges_and_remembers_as_the_usual_one(server: RedisProcess) -> None:
    """GW-603, GW-207, GW-209, GW-343: in turns with it, over another month, a forgotten subject and a step of the clock."""
    subject, plan, times = (
        "ip:any:203.0.113.9",
        plan_of(Limits(make_rule(1, 3_600, 1_000)), 1_000, 7),
        list[int](),
    )
    async with linked(server) as link:
        store = store_on(link)
        made = store.straight(subject, plan, 1_000_000, times.append)
        assert made is not None
        assert store.straight("acme:live", plan, 1_000_000, times.append) is None
        ask, hear = made

        async def straight() -> bytes | None:
            asked = ask()
            assert asked is not None
            fields = hear(await asked)
            return None if fields is None else fields[2][1]

        await store.judge(subject, plan)
        assert await straight() == b'"minute";r=998;t=3600'
        verdict, _ = await store.judge(subject, plan)
        assert verdict.minute[0] > 2_000 * plan.minute.weight
        assert (await straight() or b"").startswith(b'"minute";r=996;t=')
        assert len(times) == 2
        assert store.operations["decide", "ok"] == 4
        seen = store.seen(subject)
        assert seen is not None
        assert seen.minute.debt > 3_000 * plan.minute.weight
        store._turn_month(store._store_us())
        store._subjects._known.clear()
        assert (await straight() or b"").startswith(b'"minute";r=995;t=')
        store._skew_us += 2 * CLOCK_STEP_US
        assert await straight() is None  # the usual way counts the step; the charge has happened
        verdict, _ = await store.judge(subject, plan)
        assert store.clock_steps == 1
        assert verdict.minute[0] > 6_000 * plan.minute.weight
