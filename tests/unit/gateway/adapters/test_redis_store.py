"""Decisions in a real Redis."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from tests.servers.redis_process import RedisProcess, redis_process

from veritape.gateway.adapters import redis_store
from veritape.gateway.adapters.redis_link import RedisLink, StoreError, parse_redis_url
from veritape.gateway.adapters.redis_store import RedisStore, Script
from veritape.gateway.memory_store import MemoryStore
from veritape.gateway.quota import EXACT_LIMIT, MU, Bucket, Decision, Limits, make_rule, month_of
from veritape.gateway.reasons import Reason
from veritape.gateway.shared_calls import (
    Code,
    decide_arguments,
    decision_of,
    keys_of,
    period_of,
    read_lease_reply,
    read_reply,
    renewal_arguments,
)
from veritape.gateway.shared_state import Ask, Lease, Month, Renewal, Subject, ask, renew, tidy
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import MisuseError, PeerError

FREE = Limits(make_rule(100, 60, 150), make_rule(3_000, 3_600, 3_000), 50_000 * MU, 10)
HISTORIES = 100_000 if os.environ.get("VERITAPE_SOAK") == "1" else 10_000  # noqa: TID251 - the two sizes of one test
NOW_US = 4_000_000_000_000_000
"""In 2096: what expires by this clock stays during a test."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with redis_process(tmp_path_factory.mktemp("redis")) as process:
        yield process


@asynccontextmanager
async def linked(server: RedisProcess, deadline_s: float = 5) -> AsyncIterator[RedisLink]:
    link = RedisLink(parse_redis_url(server.url), deadline_s)
    running = asyncio.create_task(link.run())
    await asyncio.wait_for(link.connected.wait(), 10)
    try:
        yield link
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def no_sums(subject: str, period: str) -> Mapping[str, int]:
    del subject, period
    return {}


def store_on(link: RedisLink, boot: str = "b1") -> RedisStore:
    return RedisStore(link, boot, no_sums, SystemClock())


def frozen(script: Script) -> bytes:
    """Return a script that takes its clock from its last argument."""
    lines = script.text.split(b"\n")
    at = next(number for number, line in enumerate(lines) if line.startswith(b"local clock"))
    lines[at : at + 2] = [b"local now = tonumber(table.remove(ARGV))"]
    return b"\n".join(lines)


def random_limits(chance: random.Random) -> Limits:
    def rule(window_s: int) -> "object":
        limit = chance.choice([1, 7, 30, 100, 1_000, chance.randint(1, 10**6)])
        try:
            return make_rule(limit, window_s, chance.choice([1, limit, limit + limit // 2 or 1]))
        except ValueError as error:
            return make_rule(limit, window_s, int(error.args[0]))

    return Limits(
        rule(60) if chance.random() < 0.8 else None,  # type: ignore[arg-type]
        rule(3_600) if chance.random() < 0.6 else None,  # type: ignore[arg-type]
        chance.choice([None, 50_000 * MU, chance.randint(1, 10**9)]),
        chance.choice([None, 1, 10]),
        overage=chance.random() < 0.2,
    )


def random_subject(chance: random.Random, limits: Limits) -> Subject:
    def bucket(rule: object) -> Bucket:
        if rule is None or chance.random() < 0.2:
            return Bucket(0, 0, 0)
        cap = rule.burst_mu * rule.weight  # type: ignore[attr-defined]
        debt = chance.choice([0, 1, cap, cap - 1, chance.randint(0, cap)])
        weight = chance.choice([rule.weight, rule.weight, 600, 1])  # type: ignore[attr-defined]
        at_us = NOW_US - chance.choice([0, 1, -1, 10**6, chance.randint(0, 10**8), -4_999_999, -5_000_001])
        return Bucket(min(debt, EXACT_LIMIT), at_us, weight)

    leases: dict[str, Lease] = {}
    if limits.minute and chance.random() < 0.3:
        for name in ("l1", "l2")[: chance.randint(1, 2)]:
            end_us = NOW_US + chance.choice([-1_000_000, -1, 0, 1, 400_000])
            leases[name] = Lease(chance.randint(0, limits.minute.burst_mu // 4), end_us)
    used = chance.randint(0, 60_000 * MU)
    if limits.month_mu and chance.random() < 0.4:
        used = max(0, limits.month_mu - chance.choice([0, 1, 2_000, 60_000]))
    return Subject(
        bucket(limits.minute),
        bucket(limits.hour),
        None if chance.random() < 0.1 else Month(used, {"b1": chance.randint(0, used)}),
        {f"s{n}": NOW_US + chance.randint(-5, 10) for n in range(chance.randint(0, 11))}
        if limits.concurrency
        else {},
        leases,
    )


def writes(subject: Subject, keys: list[bytes]) -> list[list[bytes]]:
    """Return the commands that put a subject into Redis."""
    commands: list[list[bytes]] = [[b"DEL", *keys]]
    for name, bucket in (("minute", subject.minute), ("hour", subject.hour)):
        if bucket.at_us:
            commands.append([b"HSET", keys[0], name.encode(), b"%d,%d,%d" % bucket])
    if subject.month:
        commands.append([b"HSET", keys[1], b"t", b"%d" % subject.month.total_mu])
        commands += [
            [b"HSET", keys[1], boot.encode(), b"%d" % mu] for boot, mu in subject.month.shares_mu.items()
        ]
    commands += [[b"ZADD", keys[2], b"%d" % end_us, slot.encode()] for slot, end_us in subject.slots.items()]
    commands += [
        [b"HSET", keys[3], name.encode(), b"%d,%d" % lease] for name, lease in subject.leases.items()
    ]
    return commands


async def held_in(link: RedisLink, keys: list[bytes]) -> Subject:
    """Return what Redis holds."""
    buckets, month, slots, leases = await asyncio.gather(
        link.call([b"HGETALL", keys[0]]), link.call([b"HGETALL", keys[1]]),
        link.call([b"ZRANGE", keys[2], b"0", b"-1", b"WITHSCORES"]), link.call([b"HGETALL", keys[3]]),
    )  # fmt: skip
    found = {
        name: Bucket(*(int(Decimal(one.decode())) for one in value.split(b",")))
        for name, value in pairs(buckets)
        if name != b"recall"
    }
    shares = {name.decode(): int(value) for name, value in pairs(month)}
    total = shares.pop("t", None)
    return Subject(
        found.get(b"minute", Bucket(0, 0, 0)),
        found.get(b"hour", Bucket(0, 0, 0)),
        None if total is None else Month(total, shares),
        {name.decode(): int(float(value)) for name, value in pairs(slots)},
        {name.decode(): Lease(*map(int, value.split(b","))) for name, value in pairs(leases)},
    )


def pairs(flat: list[bytes]) -> list[tuple[bytes, bytes]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


async def first_difference(link: RedisLink, script: bytes, histories: int) -> str:
    """Return the first random state on which script and definition differ, empty when there is none."""
    chance = random.Random(7)
    period = period_of(NOW_US)
    for number in range(histories):
        limits = random_limits(chance)
        before = random_subject(chance, limits)
        boot = chance.choice(["b1", "b1", "b2", ""])
        limits = limits if boot else limits._replace(month_mu=None)
        largest = max([rule.burst_mu for rule in (limits.minute, limits.hour) if rule] or [1_000])
        cost = chance.choice([1, 1_000, 2_000, largest, largest + 1, chance.randint(1, largest)])
        call = Ask(limits, cost, boot, chance.randint(0, 30_000 * MU), f"new{number}", 65_000_000)
        keys = keys_of(f"acme{number % 50}:live", period.name, 64)
        sent = [link.call(command) for command in writes(before, keys)]
        arguments = [*decide_arguments(call, period), b"%d" % NOW_US]
        reply = read_reply(await link.call([b"EVAL", script, b"4", *keys, *arguments]))
        assert all(one.done() for one in sent)
        expected = ask(before, call, NOW_US, 7)
        if (expected.decision is None) != (reply.code == 2):
            return f"sum: {before} {call}"
        if expected.decision is not None:
            try:
                decision = decision_of(reply, call, 7)
            except PeerError as error:
                return f"{error.message}: {before} {call}"
            if (decision, reply.mine_mu) != (expected.decision, expected.mine_mu):
                return f"answer: {before} {call}"
        if visible(await held_in(link, keys), limits, call) != visible(expected.after, limits, call):
            return f"state: {before} {call}"
    return ""


async def test_the_script_does_what_the_definition_says(server: RedisProcess) -> None:
    """GW-257, GW-964: equal answers and equal state, on random states and the edges of every number."""
    async with linked(server) as link:
        assert await first_difference(link, frozen(redis_store.DECIDE), HISTORIES) == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (b"(moment - bucket.at) * rule.gain", b"(moment - bucket.at) * (rule.gain * 1.0001)"),
        (b"(held + cost) * rule.weight > rule.cap", b"(held + cost) * rule.weight >= rule.cap"),
        (b"if quotient * divisor < value then quotient = quotient + 1 end", b""),
        (b"'%.0f'", b"'%.14g'"),
        (b"if moment <= now then", b"if moment < now then"),
        (b"if bucket.at - now > BACK then", b"if false then"),
    ],
)
async def test_a_planted_fault_in_the_script_is_found(
    server: RedisProcess, right: bytes, wrong: bytes
) -> None:
    """GW-964: rates in floats, an edge that is off by one, a rounding, digits that are cut, clocks that never come back."""
    script = frozen(redis_store.DECIDE)
    assert right in script
    async with linked(server) as link:
        assert await first_difference(link, script.replace(right, wrong), 2_000) != ""


async def first_lease_difference(link: RedisLink, script: bytes, histories: int) -> str:
    """Return the first random state on which ``lease.lua`` and its definition differ, empty when there is none."""
    chance = random.Random(11)
    period = period_of(NOW_US)
    for number in range(histories):
        limits = random_limits(chance)
        before = random_subject(chance, limits)
        if before.leases and chance.random() < 0.7:
            before = before._replace(leases={"b1": before.leases["l1"], **before.leases})
        if before.slots and chance.random() < 0.5:
            before = before._replace(slots={**before.slots, "b1/0": NOW_US + 9, "b1/1": NOW_US + 9})
        held = before.leases.get("b1", Lease(0, 0)).held_mu
        burst = min([rule.burst_mu for rule in (limits.minute, limits.hour) if rule] or [10**6])
        call = Renewal(
            limits, "b1", chance.choice([0, before.month.shares_mu["b1"] if before.month else 5]), chance.choice([0, 0, held, held // 2, held + 1]),
            chance.choice([0, 1, 5_000, 50_000, 10**7]), chance.choice([1, 1_000]), chance.choice([50_000, 10**6]),
            burst // 2, 500_000, chance.randint(1, 8), chance.choice([0, 1, 5]), chance.random() < 0.5,
        )  # fmt: skip
        keys = keys_of(f"lease{number % 50}:live", period.name, 64)
        sent = [link.call(command) for command in writes(before, keys)]
        arguments = [*renewal_arguments(call, period), b"%d" % NOW_US]
        reply = read_lease_reply(await link.call([b"EVAL", script, b"4", *keys, *arguments]))
        assert all(one.done() for one in sent)
        expected = renew(before, call, NOW_US)
        if expected is None or reply.code == Code.BRING_SUM:
            if expected is None and reply.code == Code.BRING_SUM:
                continue
            return f"sum: {before} {call}"
        told = reply.code, reply.granted_mu, reply.held_mu, reply.end_us, reply.mine_mu, reply.slots
        if told != (
            expected.code, expected.granted_mu, expected.held_mu, expected.end_us, expected.mine_mu, expected.slots,
        ):  # fmt: skip
            return f"answer {told} {expected}: {before} {call}"
        asking = Ask(limits, 0, "b1", 0, "", 0)
        if visible(await held_in(link, keys), limits, asking) != visible(expected.after, limits, asking):
            return f"state: {before} {call} {expected.after} {await held_in(link, keys)}"
    return ""


async def test_the_lease_script_does_what_its_definition_says(server: RedisProcess) -> None:
    """GW-303, GW-304, GW-309, GW-311, GW-964: equal answers and equal state on random states."""
    async with linked(server) as link:
        assert await first_lease_difference(link, frozen(redis_store.LEASE), HISTORIES) == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (
            b"math.floor((rule.cap - debt) / rule.weight) - held",
            b"math.floor((rule.cap - debt) / rule.weight)",
        ),
        (b"mine_held, held = mine_held - spent, held - spent", b"mine_held = mine_held - spent"),
        (b"(2 * tonumber(ARGV[18]))", b"tonumber(ARGV[18])"),
        (b"if spent > mine_held or", b"if spent >= mine_held or"),
    ],
)
async def test_a_planted_fault_in_the_lease_script_is_found(
    server: RedisProcess, right: bytes, wrong: bytes
) -> None:
    """GW-964: what others hold forgotten, a report that is not taken off, a month shared wrongly, an edge."""
    script = frozen(redis_store.LEASE)
    assert right in script
    async with linked(server) as link:
        assert await first_lease_difference(link, script.replace(right, wrong), 2_000) != ""


def visible(subject: Subject, limits: Limits, call: Ask) -> Subject:
    """Return what of a state says something: an untouched month of an uncounted caller or an idle bucket says nothing."""
    tidied = tidy(subject, limits, NOW_US)
    slots = tidied.slots if limits.concurrency is not None else {}
    return tidied._replace(slots=slots, month=tidied.month if call.boot else None)


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
        await store.refund("acme:live", period, 4_000)
        state = await store.status("acme:live", FREE)
        assert (state.used_mu, state.slots, state.minute.debt > 0) == (6_000, 0, True)
        await store.reset("acme:live")
        state = await store.status("acme:live", FREE)
        assert (state.used_mu, state.minute.debt, await store.health()) == (6_000, 0, True)


async def test_a_month_that_the_store_does_not_know_is_brought_from_the_ledger(server: RedisProcess) -> None:
    """GW-258: asked once, for that subject and month; the boot's own share is what it surely charged."""
    asked = []

    async def sums(subject: str, period: str) -> Mapping[str, int]:
        asked.append((subject, period))
        return {"old": 40_000 * MU, "b1": 3}

    async with linked(server) as link:
        store = RedisStore(link, "b1", sums, SystemClock())
        decision, _ = await store.decide("month:live", FREE, 1_000, 7)
        await store.decide("month:live", FREE, 1_000, 7)
        period = month_of(SystemClock().wall_ns() // 1_000).period
        assert (decision.period, asked) == (period, [("month:live", period)])
        assert (await store.status("month:live", FREE)).used_mu == 40_002 * MU + 3


async def test_what_was_executed_unseen_and_what_was_lost_heals(server: RedisProcess) -> None:
    """GW-671: the boot's field is put to what it surely charged, up or down, and the total moves with it."""
    async with linked(server) as link:
        store = store_on(link)
        await store.decide("heal:live", FREE, 5_000, 7)
        period = month_of(SystemClock().wall_ns() // 1_000).period
        key = keys_of("heal:live", period, 64)[1]
        await link.call([b"HSET", key, b"t", b"99000", b"b1", b"99000"])
        await store.heal("heal:live", period)
        assert (await store.status("heal:live", FREE)).used_mu == 5_000
        await link.call([b"HSET", key, b"t", b"1000", b"b1", b"1000"])
        await store.decide("heal:live", FREE, 1_000, 7)
        assert (await store.status("heal:live", FREE)).used_mu == 6_000


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


async def test_the_store_is_agreed_on(server: RedisProcess) -> None:
    """GW-941: another layout or other partitions end the start; so does a store that evicts (GW-260)."""
    async with linked(server) as link:
        await link.call([b"FLUSHALL"])
        await store_on(link).prepare(b"e" * 16)
        await store_on(link).prepare(b"f" * 16)
        assert await link.call([b"HGET", b"vt1:meta", b"epoch"]) == b"e" * 16
        other = RedisStore(link, "b1", no_sums, SystemClock(), partitions=8)
        with pytest.raises(MisuseError, match=r"partitions_differ: .* = 64"):
            await other.prepare(b"e" * 16)
        await link.call([b"HSET", b"vt1:meta", b"layout", b"2"])
        with pytest.raises(MisuseError, match="store_layout"):
            await store_on(link).prepare(b"e" * 16)
        await link.call([b"DEL", b"vt1:meta"])
        await link.call([b"CONFIG", b"SET", b"maxmemory-policy", b"allkeys-lru"])
        with pytest.raises(MisuseError, match="redis_evicts"):
            await store_on(link).prepare(b"e" * 16)
        await link.call([b"CONFIG", b"SET", b"maxmemory-policy", b"noeviction"])


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


async def test_shares_of_months_long_past_are_forgotten(server: RedisProcess) -> None:
    """GW-216, GW-671: this month's and the last one's are kept, so memory follows the subjects and not the years."""
    async with linked(server) as link:
        store = store_on(link, "keeper")
        for period in ("2026-09", "2026-10", "2026-11"):
            store.charged("old:live", period, 1_000)
        for period, share in (("2026-09", b"0"), ("2026-10", b"1000"), ("2026-11", b"1000")):
            await store.heal("old:live", period)
            assert await link.call([b"HGET", keys_of("old:live", period, 64)[1], b"keeper"]) == share


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


async def test_a_share_that_differs_is_settled(server: RedisProcess) -> None:
    """GW-671: a call that was executed unseen shows in the next answer; the share and the total are put right together."""
    async with linked(server) as link:
        store = store_on(link, "settles")
        decision, _ = await store.decide("settles:live", FREE, MU, 7)
        key = keys_of("settles:live", decision.period, 64)[1]

        async def held() -> list[bytes]:
            found: list[bytes] = await link.call([b"HMGET", key, b"t", b"settles"])
            return found

        async def plant(units_mu: bytes) -> None:
            for name in (b"t", b"settles"):
                await link.call([b"HINCRBY", key, name, units_mu])

        await store.settle()
        await plant(b"3000")
        await store.settle()  # nothing was seen yet
        assert await held() == [b"4000", b"4000"]
        await store.decide("settles:live", FREE, MU, 7)
        store._under_way["settles:live"] = 1
        await store.settle(everything=True)  # a call under way may explain it
        assert await held() == [b"5000", b"5000"]
        del store._under_way["settles:live"]
        await store.settle()
        assert await held() == [b"2000", b"2000"]
        await plant(b"-1500")
        await store.settle()
        await store.refund("settles:live", decision.period, 0)
        await store.settle(everything=True)  # each minute, without a look
        assert await held() == [b"2000", b"2000"]
        assert not store._touched


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
