"""Random states of a subject, written into a Redis and read back, to compare scripts with their definition."""

import asyncio
import random
from decimal import Decimal

from veritape.gateway.adapters.redis_link import RedisLink
from veritape.gateway.adapters.redis_scripts import Script
from veritape.gateway.quota import EMPTY, EXACT_LIMIT, MU, Bucket, Limits, Rule, make_rule
from veritape.gateway.shared_state import Ask, Lease, Month, Subject, tidy

NOW_US = 4_000_000_123_456_789
"""In 2096: what expires by this clock stays during a test."""


def frozen(script: Script) -> bytes:
    """Return a script that takes its clock from its last argument."""
    lines = script.text.split(b"\n")
    at = next(number for number, line in enumerate(lines) if line.startswith(b"local clock"))
    lines[at : at + 2] = [b"local now = tonumber(table.remove(ARGV))"]
    return b"\n".join(lines)


def random_limits(chance: random.Random) -> Limits:
    """Return limits of any kind."""

    def rule(window_s: int) -> Rule:
        limit = chance.choice([1, 7, 30, 100, 1_000, chance.randint(1, 10**6)])
        try:
            return make_rule(limit, window_s, chance.choice([1, limit, limit + limit // 2 or 1]))
        except ValueError as error:
            return make_rule(limit, window_s, int(error.args[0]))

    return Limits(
        rule(60) if chance.random() < 0.8 else None,
        rule(3_600) if chance.random() < 0.6 else None,
        chance.choice([None, 50_000 * MU, chance.randint(1, 10**9)]),
        chance.choice([None, 1, 10]),
        overage=chance.random() < 0.2,
    )


def random_subject(chance: random.Random, limits: Limits) -> Subject:
    """Return a state under limits, often at an edge."""

    def bucket(rule: Rule | None) -> Bucket:
        if rule is None or chance.random() < 0.2:
            return Bucket(0, 0, 0)
        cap = rule.burst_mu * rule.weight
        debt = chance.choice([0, 1, cap, cap - 1, chance.randint(0, cap)])
        weight = chance.choice([rule.weight, rule.weight, 600, 1])
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


def ordinary(subject: Subject, limits: Limits) -> Subject:
    """Return a state without leases, under the present rules, with a clock that is not ahead and a month that is known."""

    def bucket(one: Bucket, rule: Rule | None) -> Bucket:
        return (
            EMPTY if rule is None or one == EMPTY else Bucket(one.debt, min(one.at_us, NOW_US), rule.weight)
        )

    month = subject.month or Month(0, {})
    return subject._replace(
        minute=bucket(subject.minute, limits.minute),
        hour=bucket(subject.hour, limits.hour),
        month=month,
        leases={},
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
    """Return fields and values of an answer."""
    return list(zip(flat[::2], flat[1::2], strict=True))


def visible(subject: Subject, limits: Limits, call: Ask) -> Subject:
    """Return what of a state says something: an untouched month of an uncounted caller or an idle bucket says nothing."""
    tidied = tidy(subject, limits, NOW_US)
    slots = tidied.slots if limits.concurrency is not None else {}
    return tidied._replace(slots=slots, month=tidied.month if call.boot else None)
