"""A real Redis that is killed, paused, emptied and restarted under a store that must go on."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest
import redis as client
from tests.degrading_worker import CLOCK, FREE, Break, Worker, kill, mend, pause, worker
from tests.servers.redis_process import RedisProcess, redis_process
from tests.waiting import PATIENCE_S, until

from veritape.gateway.adapters.degrading_store import DegradingStore
from veritape.gateway.adapters.redis_address import parse_redis_url
from veritape.gateway.adapters.redis_link import RedisLink
from veritape.gateway.adapters.redis_store import RedisStore
from veritape.gateway.adapters.server_link import StoreError
from veritape.gateway.adapters.stores import Terms, unfolded
from veritape.gateway.degradation import StoreState
from veritape.gateway.fast_quota import plan_of
from veritape.gateway.leases import LeaseRule
from veritape.gateway.overload import halved
from veritape.gateway.policy import Lost
from veritape.gateway.quota import MU, Decision, Limits, Mode, make_rule, month_of
from veritape.gateway.shared_calls import keys_of
from veritape.kernel.clock import NANOSECONDS, ManualClock
from veritape.kernel.errors import UnavailableError

pytestmark = pytest.mark.usefixtures("whole_month")

DEADLINE_S = 0.025
"""Of the calls of which a test judges the time; elsewhere a pause of the machine is no outage."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    with redis_process(tmp_path) as process:
        yield process


def period() -> str:
    return month_of(CLOCK.wall_ns() // 1_000).period


def refilled_since(began_ns: int) -> int:
    """Return what has flowed back into the free tier's bucket, units."""
    return (CLOCK.monotonic_ns() - began_ns) * 100 // (60 * NANOSECONDS)


@pytest.mark.parametrize("breaking", [kill, pause])
async def test_an_outage_is_bridged_and_reconciled(server: RedisProcess, breaking: Break) -> None:
    """GW-342, GW-345, GW-349: no error, at most 50 ms a request, the share's bound, and month and debt right afterwards."""
    async with worker(server, workers_least=2) as one:
        began_ns = CLOCK.monotonic_ns()
        assert [await one.ask() for _ in range(10)] == [(True, Mode.EXACT)] * 10
        link = one.redis._link
        assert isinstance(link, RedisLink)
        link._deadline_s = DEADLINE_S
        link._look()  # nobody waits: the next call begins a new timer
        one.took_s.clear()
        breaking(server)
        found = [await one.ask() for _ in range(120)]
        assert one.store.state in {StoreState.LOCAL, StoreState.PROBING}
        assert {mode for _, mode in found[6:]} == {Mode.LOCAL}
        admitted = sum(granted for granted, _ in found)
        assert 70 <= admitted <= 76 + refilled_since(began_ns)
        assert median(one.took_s) < 0.05  # whatever the machine did to some of them
        assert max(one.took_s) < 2
        link._deadline_s = 5
        mend(server)
        await one.until(StoreState.HEALTHY)
        state = await one.store.status("acme:live", FREE)
        assert state.used_mu == one.ledger["acme:live", period()] == (10 + admitted) * MU
        assert state.minute.debt >= (10 + admitted - 20 - refilled_since(began_ns)) * 600_000
        assert any("-> healthy" in line for line in one.said)
        assert (await one.ask())[1] is Mode.EXACT


async def test_a_store_that_comes_back_empty_is_filled_from_the_ledger(
    server: RedisProcess, tmp_path: Path
) -> None:
    """GW-258, GW-341: another epoch means rebuilding; the month is what the ledger says."""
    async with worker(server) as one:
        for _ in range(10):
            await one.ask()
        server.kill()
        await one.ask()
        for path in tmp_path.glob("appendonlydir/*"):
            path.unlink()
        server.start()
        await one.until(StoreState.HEALTHY)
        assert (await one.ask())[1] is Mode.EXACT
        assert (
            (await one.store.status("acme:live", FREE)).used_mu
            == 12 * MU
            == one.ledger["acme:live", period()]
        )
        assert StoreState.REBUILDING in {transition.after for transition in one.store.states.transitions}


async def test_a_store_that_was_emptied_unseen_is_noticed_by_the_heartbeat(server: RedisProcess) -> None:
    """GW-258: the epoch is read with each heartbeat."""
    async with worker(server) as one:
        await one.ask()
        await one.redis._link.call([b"FLUSHALL"])
        await one.until(StoreState.LOCAL, StoreState.PROBING, StoreState.REBUILDING, StoreState.RECONCILING)
        await one.until(StoreState.HEALTHY)
        await one.ask()
        assert (await one.store.status("acme:live", FREE)).used_mu == 2 * MU


async def test_what_a_route_does_when_the_grace_is_over(server: RedisProcess) -> None:
    """GW-347: local goes on, open admits and meters, the others are closed; closed is so at once."""
    async with worker(server, grace_s=0) as one:
        server.kill()
        with pytest.raises(UnavailableError):
            await one.ask(lost=Lost.CLOSED)
        await one.until(StoreState.EXHAUSTED)
        with pytest.raises(UnavailableError):
            await one.ask(lost=Lost.LOCAL_THEN_CLOSED)
        assert [(await one.ask("x:live", 150 * MU))[0] for _ in range(2)] == [True, False]
        assert [await one.ask("x:live", 150 * MU, Lost.OPEN) for _ in range(2)] == [(True, Mode.OPEN)] * 2
        server.start()
        await one.until(StoreState.HEALTHY)
        assert (await one.store.status("x:live", FREE)).used_mu == 450 * MU


async def test_a_start_without_the_store(server: RedisProcess) -> None:
    """GW-341: nobody is decided for two seconds at most, then local shares; the store may come later."""
    server.kill()
    async with worker(server, wait=False) as one:
        with pytest.raises(UnavailableError, match="has not answered yet"):
            await one.ask()
        await asyncio.wait_for(one.store.begun(), PATIENCE_S)
        assert one.store.state is not StoreState.STARTING
        assert await one.ask() == (True, Mode.LOCAL)
        server.start()
        await one.until(StoreState.HEALTHY)
        assert (await one.store.status("acme:live", FREE)).used_mu == MU


async def test_a_start_that_took_long_leaves_the_store_its_time() -> None:
    """GW-341: a process that was busy for seconds before it asked does not take its store for lost at the first look."""
    clock = ManualClock(wall_ns=CLOCK.wall_ns())
    link = RedisLink(
        parse_redis_url("redis://127.0.0.1:9/0"), DEADLINE_S
    )  # nobody runs it: it never connects
    redis = RedisStore(link, "b1", lambda *_: asyncio.sleep(0, {}), clock)
    store = DegradingStore(link, redis, clock, 300, 1, lambda _: None)
    clock.advance_ns(9 * NANOSECONDS)
    running = asyncio.create_task(store.run())
    seen = []
    for _ in range(45):  # looks are 50 ms apart
        await until(lambda: clock._sleepers)
        seen.append(store.state)
        clock.advance_ns(50_000_000)
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert seen[:40] == [StoreState.STARTING] * 40
    assert StoreState.LOCAL in seen[40:]


async def test_shares_follow_the_workers_that_live(server: RedisProcess) -> None:
    """GW-343: each counts the heartbeats of the last ten seconds."""
    async with worker(server, "b1") as one, worker(server, "b2") as other:
        await until(lambda: one.store.workers == other.store.workers == 2)
        server.kill()
        granted, began_ns = 0, CLOCK.monotonic_ns()
        for _ in range(80):
            granted += (await one.ask("new:live"))[0] + (await other.ask("new:live"))[0]
        assert 150 <= granted <= 154 + refilled_since(began_ns)


async def test_refunds_and_resets_reach_the_store(server: RedisProcess) -> None:
    """GW-212, GW-216: a refund during an outage is in the month afterwards."""
    async with worker(server) as one:
        for _ in range(5):
            await one.ask()
        server.kill()
        await one.ask()
        await one.store.refund("acme:live", period(), 2 * MU)
        server.start()
        await one.until(StoreState.HEALTHY)
        assert (await one.store.status("acme:live", FREE)).used_mu == 4 * MU
        await one.store.reset("acme:live")
        assert (await one.store.status("acme:live", FREE)).minute.debt == 0
        decision, slot = await one.store.decide(
            "c:live", MU, Terms(FREE._replace(concurrency=1), 7, 1_000_000)
        )
        one.store.release_slot("c:live", slot)
        assert decision.admitted


async def test_exact_shares_are_written_each_minute_and_at_the_end(server: RedisProcess) -> None:
    """GW-671, GW-558: a share that was changed from outside is right again after the orderly end."""
    async with worker(server) as one:
        for _ in range(3):
            assert (await one.ask())[0]
        raw = client.Redis.from_url(server.url)
        key = keys_of("acme:live", period(), 64)[1]
        raw.hincrby(key, "t", 5_000)
        raw.hincrby(key, "b1", 5_000)
        running = [task for task in asyncio.all_tasks() if "DegradingStore.run" in repr(task)]
        assert len(running) == 1
        running[0].cancel()
        await asyncio.gather(*running, return_exceptions=True)
        assert raw.hmget(key, "t", "b1") == [b"3000", b"3000"]
        raw.close()


async def test_exact_shares_are_written_at_the_end_after_a_connection_that_just_broke(
    server: RedisProcess,
) -> None:
    """GW-671, GW-558: it has a moment to come back."""
    async with worker(server) as one:
        assert (await one.ask())[0]
        raw = client.Redis.from_url(server.url)
        key = keys_of("acme:live", period(), 64)[1]
        raw.hincrby(key, "t", 5_000)
        raw.hincrby(key, "b1", 5_000)
        running = next(task for task in asyncio.all_tasks() if "DegradingStore.run" in repr(task))
        with contextlib.suppress(StoreError):
            await one.redis._link.call([b"QUIT"])
        await until(lambda: not one.redis._link.connected.is_set())
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert raw.hmget(key, "t", "b1") == [b"1000", b"1000"]
        raw.close()


async def test_a_difference_that_an_answer_shows_is_settled_within_a_heartbeat(server: RedisProcess) -> None:
    """GW-671: HEAL follows the answer."""
    async with worker(server) as one:
        await one.ask()
        raw = client.Redis.from_url(server.url)
        key = keys_of("acme:live", period(), 64)[1]
        raw.hincrby(key, "t", 5_000)
        raw.hincrby(key, "b1", 5_000)
        await one.ask()
        await until(lambda: raw.hmget(key, "t", "b1") == [b"2000", b"2000"])
        raw.close()


SLOW = Limits(None, make_rule(1, 3_600, 100), 50_000 * MU, None)
"""A bucket that gives back one unit an hour: what is admitted beyond it cannot be its refill."""

TERMS = Terms(SLOW, 7, 1_000_000)


async def drained(one: Worker, times: int, terms: Terms = TERMS) -> int:
    """Ask that often; return how often it was admitted."""
    answers = [await one.store.decide("acme:live", MU, terms) for _ in range(times)]
    return sum(decision.admitted for decision, _ in answers)


def end(server: RedisProcess) -> None:
    """Kill Redis when all that it answered is in its file: on a busy disk it may write a second or two later."""
    raw = client.Redis.from_url(server.url)
    raw.config_set("appendfsync", "always")
    raw.close()
    server.kill()


async def back(one: Worker, server: RedisProcess) -> None:
    """Start Redis and see that the worker goes back to it."""
    server.start()
    await one.until(StoreState.HEALTHY)


async def test_one_outage_after_another_admits_no_second_share(server: RedisProcess) -> None:
    """GW-343, GW-344: an outage begins where the last one ended when the store has said nothing since."""
    async with worker(server) as one:
        assert await drained(one, 40) == 40
        end(server)
        assert await drained(one, 62) == 60
        await back(one, server)
        await one.store.decide("bolt:live", MU, TERMS)
        end(server)
        assert await drained(one, 3) == 0
        await back(one, server)
        assert await drained(one, 2) == 0


async def test_what_is_asked_while_charges_are_pushed_stands_behind_them(server: RedisProcess) -> None:
    """GW-341, GW-345: requests of a subject whose charges are on their way are decided by the store, after these."""
    async with worker(server) as one:
        assert await drained(one, 40) == 40
        end(server)
        assert await drained(one, 30) == 30
        owe, meanwhile = one.redis.owe, list[asyncio.Task[int]]()

        async def pushing(subject: str, limits: Limits, minute_mu: int, hour_mu: int) -> None:
            meanwhile.append(asyncio.create_task(drained(one, 62)))
            await owe(subject, limits, minute_mu, hour_mu)

        one.redis.owe = pushing  # type: ignore[method-assign]  # asks at the worst moment
        await back(one, server)
        assert [await task for task in meanwhile] == [30]
        assert await drained(one, 2) == 0


async def test_a_push_that_fails_forgets_nothing(server: RedisProcess) -> None:
    """GW-345: what was charged before and while a push failed is pushed by the next one."""
    async with worker(server) as one:
        assert await drained(one, 40) == 40
        end(server)
        assert await drained(one, 20) == 20
        heal, owe, charges, failures = one.redis.months.heal, one.redis.owe, iter([True]), iter([True])

        async def healing(subject: str, period: str) -> None:
            if next(charges, False):
                assert await drained(one, 1) == 1
            await heal(subject, period)

        async def failing(subject: str, limits: Limits, minute_mu: int, hour_mu: int) -> None:
            if next(failures, False):
                raise StoreError("planted")
            await owe(subject, limits, minute_mu, hour_mu)

        one.redis.months.heal = healing  # type: ignore[method-assign]  # asks at the worst moment
        one.redis.owe = failing  # type: ignore[method-assign]  # fails once
        await back(one, server)
        assert await drained(one, 42) == 39


async def test_one_failed_call_is_brought_to_the_store_before_the_next(server: RedisProcess) -> None:
    """GW-342, GW-345: a single call that fails is decided here; the store knows of it before it is asked again."""
    async with worker(server) as one:
        assert await drained(one, 99) == 99
        decide, failures = one.redis.decide, iter([True])

        async def failing(
            subject: str, limits: Limits, cost_mu: int, policy_version: int, slot_us: int = 60_000_000
        ) -> tuple[Decision, str]:
            if next(failures, False):
                raise StoreError("planted")
            return await decide(subject, limits, cost_mu, policy_version, slot_us)

        one.redis.decide = failing  # type: ignore[method-assign]  # fails once
        assert await drained(one, 3) == 1
        assert one.store.state is StoreState.HEALTHY


async def test_charges_after_a_refund_in_an_outage_are_owed(server: RedisProcess) -> None:
    """GW-216, GW-345: a refund gives units of the month back and no tokens, also when it comes first."""
    async with worker(server) as one:
        assert await drained(one, 40) == 40
        end(server)
        await one.until(StoreState.LOCAL, StoreState.PROBING)
        await one.store.refund("acme:live", period(), MU)
        assert await drained(one, 30) == 30
        await back(one, server)
        assert await drained(one, 32) == 30


async def test_a_halved_share_forgives_nothing(server: RedisProcess) -> None:
    """GW-345, GW-381: charges under half a bucket in an outage are owed to the whole one, and the change back is exact."""
    half = TERMS._replace(limits=halved(SLOW), whole=SLOW)
    async with worker(server) as one:
        assert await drained(one, 30) == 30
        end(server)
        assert await drained(one, 22, half) == 20
        assert await drained(one, 20) == 20
        assert await drained(one, 1, half) == 0
        await back(one, server)
        assert await drained(one, 32) == 30


async def test_a_share_begins_where_a_lease_was(server: RedisProcess) -> None:
    """GW-343: what a worker last saw remaining counts what its leases held."""
    leased = TERMS._replace(lease=LeaseRule(10 * MU, 60_000_000, 50 * MU))
    async with worker(server) as one:
        admitted = await drained(one, 2, leased)
        async with asyncio.timeout(PATIENCE_S):
            while one.store.facts({}).leases["granted"] < 4:
                admitted += await drained(one, 1, leased)
                await asyncio.sleep(0.002)
        end(server)
        admitted += await drained(one, 120, leased)
        assert 80 <= admitted <= 100


async def test_the_straight_way_asks_only_where_the_usual_one_would(server: RedisProcess) -> None:
    """GW-603, GW-215, GW-342, GW-345: not about who was just denied, not about who owes from an outage, and not while the store is lost."""
    subject, terms = "ip:any:203.0.113.7", Terms(Limits(make_rule(1, 3_600, 2)), 7, 1_000_000)
    plan = plan_of(terms.limits, MU, 7)
    async with worker(server) as one:
        store = one.store
        assert store.straight("acme:live", plan, terms) is None
        assert store.straight(subject, plan, terms._replace(lease=LeaseRule(MU, 500_000, MU))) is None
        made = store.straight(subject, plan, terms)
        assert made is not None
        heard = []
        for _ in range(3):
            asked = made.ask()
            assert asked is not None
            heard.append(made.hear(await asked) is not None)
            await store.judge(
                subject, plan, terms, asked
            )  # hears the same answer once more; nothing is charged
        assert heard == [
            False,
            True,
            False,
        ]  # the clocks have not met before the first, and the third is a denial
        assert (await store.status(subject, terms.limits)).minute.debt > MU * plan.minute.weight
        assert made.ask() is None  # it was just denied
        store._denials.forget(subject)
        store._shares.away_of(subject)
        assert made.ask() is None
        store._shares.away.clear()
        asked = made.ask()
        assert asked is not None
        server.kill()
        with pytest.raises(StoreError):
            await asked
        verdict, _ = await store.judge(subject, plan, terms, asked)
        assert unfolded(verdict).mode is Mode.LOCAL
        await one.until(StoreState.LOCAL)
        assert made.ask() is None
        server.start()
        await one.until(StoreState.HEALTHY)
        assert store._shares.are_there
        assert made.ask() is None  # the usual way ends what bridged the outage
        await store.judge(subject, plan, terms)
        store._denials.forget(subject)
        assert made.ask() is not None
