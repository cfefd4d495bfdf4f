"""The scripts agree with their definition."""

import os
import random
from collections.abc import Iterator

import pytest
from tests.servers.redis_process import RedisProcess, redis_process
from tests.servers.redis_stand import linked
from tests.servers.subject_states import (
    NOW_US,
    frozen,
    held_in,
    ordinary,
    random_limits,
    random_subject,
    visible,
    writes,
)

from veritape.gateway.adapters.redis_link import RedisLink
from veritape.gateway.adapters.redis_scripts import DECIDE, LEASE
from veritape.gateway.fast_quota import plan_of
from veritape.gateway.quota import MU
from veritape.gateway.shared_calls import (
    Code,
    boot_share,
    decide_terms,
    keys_of,
    period_of,
    read_lease_reply,
    read_reply,
    renewal_arguments,
    verdict_of,
)
from veritape.gateway.shared_state import Ask, Lease, Renewal, ask, renew
from veritape.kernel.errors import PeerError

HISTORIES = 100_000 if os.environ.get("VERITAPE_SOAK") == "1" else 10_000  # noqa: TID251 - the two sizes of one test


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with redis_process(tmp_path_factory.mktemp("redis")) as process:
        yield process


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
        if chance.random() < 0.5:
            before, call = ordinary(before, limits), call._replace(mine_mu=0)
        keys = keys_of(f"acme{number % 50}:live", period.name, 64)
        sent = [link.call(command) for command in writes(before, keys)]
        plan = plan_of(limits, cost, 7)
        terms = decide_terms(plan, call.slot_us, period) + boot_share(call.mine_mu)
        arguments = [terms, boot.encode(), call.slot.encode(), b"%d" % NOW_US]
        reply = read_reply(await link.call([b"EVAL", script, b"4", *keys, *arguments]))
        assert all(one.done() for one in sent)
        expected = ask(before, call, NOW_US, 7)
        if (expected.decision is None) != (reply.code == 2):
            return f"sum: {before} {call}"
        if expected.decision is not None:
            try:
                decision = verdict_of(reply, plan).unfolded()
            except PeerError as error:
                return f"{error.message}: {before} {call}"
            if (decision, reply.mine_mu) != (expected.decision, expected.mine_mu):
                return f"answer: {before} {call}"
        if visible(await held_in(link, keys), limits, call) != visible(expected.after, limits, call):
            return f"state: {before} {call}"
    return ""


GENERAL = (b"if usual then\n  local buckets", b"if false then\n  local buckets")
"""What leaves every request to ``decide.lua``."""


async def test_the_script_does_what_the_definition_says(server: RedisProcess) -> None:
    """GW-257, GW-964: equal answers and equal state, on random states and the edges of every number."""
    async with linked(server) as link:
        assert await first_difference(link, frozen(DECIDE), HISTORIES) == ""


async def test_the_general_part_alone_does_what_the_definition_says(server: RedisProcess) -> None:
    """GW-257, GW-964: whatever ``usual.lua`` leaves, and what it does not."""
    script = frozen(DECIDE)
    assert GENERAL[0] in script
    async with linked(server) as link:
        assert await first_difference(link, script.replace(*GENERAL), HISTORIES // 2) == ""


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
async def test_a_planted_fault_in_the_general_part_is_found(
    server: RedisProcess, right: bytes, wrong: bytes
) -> None:
    """GW-964: rates in floats, an edge that is off by one, a rounding, digits that are cut, clocks that never come back."""
    script = frozen(DECIDE).replace(*GENERAL)
    assert right in script
    async with linked(server) as link:
        assert await first_difference(link, script.replace(right, wrong), 2_000) != ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (b"(now - hour_at) * hour_gain", b"(now - hour_at) * (hour_gain * 1.0001)"),
        (b"minute_after > minute_cap", b"minute_after >= minute_cap"),
        (b"used + cost > quota", b"used + cost >= quota"),
        (b"slots >= concurrency", b"slots > concurrency"),
        (b"'%.0f,%.0f,%.0f', minute_debt", b"'%.0f,%.14g,%.0f', minute_debt"),
        (b"usual = redis.call('EXISTS', KEYS[4]) == 0", b"usual = true"),
        (b"and minute_was == minute_weight", b""),
        (b"and hour_at <= now", b""),
        (b"usual = mine <= field", b"usual = true"),
        (b"usual = month[1] and true", b"usual = true"),
        (b"used, field = used + cost, field + cost", b"used = used + cost"),
    ],
)
async def test_a_planted_fault_in_the_usual_part_is_found(
    server: RedisProcess, right: bytes, wrong: bytes
) -> None:
    """GW-964: the same, and each sign of an unusual request overlooked: a lease, another rule, a clock ahead, a share behind."""
    script = frozen(DECIDE)
    assert right in script
    async with linked(server) as link:
        try:
            found = await first_difference(link, script.replace(right, wrong, 1), 4_000)
        except PeerError as error:
            found = error.message  # the script ended in an error
    assert found != ""


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
            limits, "b1", chance.choice([0, before.month.shares_mu["b1"] if before.month else 5]), chance.choice([0, 0, held, held // 2, held + 1]), chance.choice([0, held // 4, held, held + 9]),
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
        assert await first_lease_difference(link, frozen(LEASE), HISTORIES) == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (
            b"math.floor((rule.cap - debt) / rule.weight) - held",
            b"math.floor((rule.cap - debt) / rule.weight)",
        ),
        (b"held, mine_held = held - mine_held + left, left", b"mine_held = left"),
        (b"math.min(tonumber(ARGV[22]), mine_held - spent)", b"mine_held - spent"),
        (b"owe(minute, minute_rule, mine_held - left, now)", b"owe(minute, minute_rule, spent, now)"),
        (b"(2 * tonumber(ARGV[18]))", b"tonumber(ARGV[18])"),
        (b"if spent > mine_held or", b"if spent >= mine_held or"),
    ],
)
async def test_a_planted_fault_in_the_lease_script_is_found(
    server: RedisProcess, right: bytes, wrong: bytes
) -> None:
    """GW-964: what others hold forgotten, what is gone that is still held, or that is no debt, a month shared wrongly, an edge."""
    script = frozen(LEASE)
    assert right in script
    async with linked(server) as link:
        assert await first_lease_difference(link, script.replace(right, wrong), 2_000) != ""
