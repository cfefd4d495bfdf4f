"""Suite ``gateway``: decisions in memory and in Redis, beside the limiters that Python knows.

Everybody is asked the same of the same thousand callers: a limit of a minute, of an hour and of a month, none of which denies.
Ours begins with (subject, route) and ends with the decision that header fields and events are made from; a peer's three
questions end with the last one's yes. Times are of the processor in this process where a row is of one core.
"""

import asyncio
import importlib
import secrets
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import uvloop

from veritape.apps.bench.redis_server import redis_server
from veritape.apps.bench.results import Row, Size, Work, rate
from veritape.gateway.adapters.degrading_store import DegradingStore
from veritape.gateway.adapters.redis_address import parse_redis_url
from veritape.gateway.adapters.redis_link import RedisLink
from veritape.gateway.adapters.redis_store import RedisStore
from veritape.gateway.adapters.stores import Terms
from veritape.gateway.degradation import StoreState
from veritape.gateway.fast_quota import plan_of
from veritape.gateway.leases import LeaseRule
from veritape.gateway.memory_store import MemoryStore
from veritape.gateway.quota import Limits, make_rule
from veritape.kernel.clock import NANOSECONDS, SystemClock

MINUTE, HOUR, MONTH = 1_000_000, 30_000_000, 1_000_000_000
"""Units that nobody uses up in a run."""

LIMITS = Limits(make_rule(MINUTE, 60, MINUTE), make_rule(HOUR, 3_600, HOUR), MONTH * 1_000)
SUBJECTS = tuple(f"account-{number}:live" for number in range(1_000))
"""Callers."""

DECISIONS = 20_000
"""Decisions of a run in memory."""

IN_FLIGHT = 64
"""Questions under way at a time."""

REDIS_DECISIONS = 3_000
"""Decisions of a peer's run in Redis: most of a second."""

OUR_REDIS_DECISIONS = 30_000
"""Decisions of our run, which are as long: 64 questions wait when the machine does something else for a moment, and among three
thousand these would be the worst hundredth."""

LEASED = 20_000
"""Decisions of a run with leases."""

TARGET, GOAL = 5, 10
"""Times the best peer, in memory."""

REDIS_TARGET, REDIS_GOAL = 4, 6
"""Times the best asynchronous peer, in Redis."""

Ask = Callable[[str], Awaitable[object]]
"""Asks for one caller."""


def decisions(size: Size) -> Iterator[Row]:
    """Measure decisions."""
    yield _memory(size)
    with redis_server() as url, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield from runner.run(_redis(size, url))


def best(peers: dict[str, list[float]], *, most: bool = True) -> tuple[str, list[float]]:
    """Return the peer with the best median and its values; nothing when none could be measured."""
    if not peers:
        return "", []
    choose = max if most else min
    name = choose(peers, key=lambda peer: statistics.median(peers[peer]))
    return name, peers[name]


def available(peers: dict[str, Callable[[], Any]]) -> dict[str, Any]:
    """Return the peers that are installed, made."""
    made = {}
    for name, make in peers.items():
        try:
            made[name] = make()
        except ModuleNotFoundError:
            continue
    return made


def _memory(size: Size) -> Row:
    ours, peers = (
        _our_memory(),
        available({"limits": _limits, "throttled-py": _throttled, "pyrate-limiter": _pyrate}),
    )
    values, found = list[float](), {name: list[float]() for name in peers}
    for work in (ours, *peers.values()):
        work()
    for _ in range(size.runs):
        values.append(rate(ours))
        for name, work in peers.items():
            found[name].append(rate(work))
    name, of_best = best(found)
    middle = statistics.median(of_best) if of_best else None
    target, goal = (None, None) if middle is None else (TARGET * middle, GOAL * middle)
    return Row(
        "decisions_memory_per_second", values, target=target, goal=goal, peer=name, peer_values=of_best
    )


def _our_memory() -> Work:
    clock, store = SystemClock(), MemoryStore()
    plans = {"one": plan_of(LIMITS, 1_000, 1)}

    def work() -> int:
        judge, wall_ns, monotonic_ns = store.judge, clock.wall_ns, clock.monotonic_ns
        for number in range(DECISIONS):
            judge(SUBJECTS[number % 1_000], plans["one"], monotonic_ns() // 1_000, wall_ns() // 1_000)
        return DECISIONS

    return work


def _limits() -> Work:
    limits = importlib.import_module("limits")
    strategies, storage = (
        importlib.import_module("limits.strategies"),
        importlib.import_module("limits.storage"),
    )
    limiter = strategies.FixedWindowRateLimiter(storage.MemoryStorage())
    items = [limits.parse(text) for text in (f"{MONTH}/month", f"{HOUR}/hour", f"{MINUTE}/minute")]

    def work() -> int:
        for number in range(DECISIONS):
            subject = SUBJECTS[number % 1_000]
            all(limiter.hit(item, subject) for item in items)
        return DECISIONS

    return work


def _throttled() -> Work:
    throttled = importlib.import_module("throttled")
    limiters = _throttles(throttled, throttled.store.MemoryStore(options={"MAX_SIZE": 10_000}))

    def work() -> int:
        for number in range(DECISIONS):
            subject = SUBJECTS[number % 1_000]
            all(not limiter.limit(subject).limited for limiter in limiters)
        return DECISIONS

    return work


def _throttles(throttled: Any, store: Any) -> list[Any]:
    windows = ((timedelta(days=30), MONTH), (timedelta(hours=1), HOUR), (timedelta(minutes=1), MINUTE))
    return [
        throttled.Throttled(
            using="fixed_window", quota=throttled.per_duration(window, limit=units), store=store
        )
        for window, units in windows
    ]


def _pyrate() -> Work:
    pyrate = importlib.import_module("pyrate_limiter")
    clock = pyrate.MonotonicClock()

    class Buckets(pyrate.BucketFactory):  # type: ignore[misc, name-defined]  # the library's own way to have one a caller
        def __init__(self) -> None:
            self.buckets = {name: pyrate.InMemoryBucket(_pyrate_rates(pyrate)) for name in SUBJECTS}

        def wrap_item(self, name: str, weight: int = 1) -> Any:
            return pyrate.RateItem(name, clock.now(), weight=weight)

        def get(self, item: Any) -> Any:
            return self.buckets[item.name]

    limiter = pyrate.Limiter(Buckets())

    def work() -> int:
        for number in range(DECISIONS):
            limiter.try_acquire(SUBJECTS[number % 1_000], blocking=False)
        return DECISIONS

    return work


def _pyrate_rates(pyrate: Any) -> list[Any]:
    units = pyrate.Duration
    return [
        pyrate.Rate(MINUTE, units.MINUTE),
        pyrate.Rate(HOUR, units.HOUR),
        pyrate.Rate(MONTH, units.DAY * 30),
    ]


async def _redis(size: Size, url: str) -> list[Row]:
    """Return the rows of a shared store."""
    async with our_store(url) as (store, link):
        ours = RedisStoreAsk(store)
        peers = available(
            {"limits": lambda: _limits_redis(url), "throttled-py": lambda: _throttled_redis(url)}
        )
        values, found, waits = list[float](), {name: list[float]() for name in peers}, list[float]()
        for ask in (ours, *peers.values()):
            await _flight(ask, len(SUBJECTS))  # what is done once for a subject is not measured
        for _ in range(size.runs):
            seconds, worst = await _flight(ours, OUR_REDIS_DECISIONS)
            values.append(OUR_REDIS_DECISIONS / seconds)
            waits.append(worst)
            for name, ask in peers.items():
                found[name].append(REDIS_DECISIONS / (await _flight(ask, REDIS_DECISIONS))[0])
        name, of_best = best(found)
        middle = statistics.median(of_best) if of_best else None
        target, goal = (None, None) if middle is None else (REDIS_TARGET * middle, REDIS_GOAL * middle)
        rows = [
            Row(
                "decisions_redis_per_second", values, target=target, goal=goal, peer=name, peer_values=of_best
            ),
            Row("decision_p99", waits, "ms", "lower", 2.0, 1.0),
            await _bytes(link, store, url),
        ]
    return [*rows, await _leases(size, url, values)]


class RedisStoreAsk:
    """Asks our shared store."""

    def __init__(self, store: RedisStore) -> None:
        self._store, self._plan = store, plan_of(LIMITS, 1_000, 1)

    async def __call__(self, subject: str) -> object:
        """Decide."""
        verdict, _ = await self._store.judge(subject, self._plan)
        if not verdict.admitted:
            raise AssertionError("a benchmark's decision was refused")
        return verdict


async def _no_sums(subject: str, period: str) -> dict[str, int]:
    del subject, period
    return {}


@asynccontextmanager
async def our_store(url: str) -> AsyncIterator[tuple[RedisStore, RedisLink]]:
    """Connect our store."""
    link = RedisLink(parse_redis_url(url), 1.0)
    running = asyncio.create_task(link.run())
    await link.connected.wait()
    store = RedisStore(link, secrets.token_hex(8), _no_sums, SystemClock())
    await store.agreement.prepare(secrets.token_bytes(16))
    try:
        yield store, link
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _flight(ask: Ask, wanted: int) -> tuple[float, float]:
    """Ask with so many under way; return the seconds of all, and the milliseconds that 99 of 100 took at most."""
    clock, waits = SystemClock(), list[int]()
    numbers = iter(range(wanted))

    async def one() -> None:
        for number in numbers:
            began_ns = clock.monotonic_ns()
            await ask(SUBJECTS[number % 1_000])
            waits.append(clock.monotonic_ns() - began_ns)

    began_ns = clock.monotonic_ns()
    await asyncio.gather(*(one() for _ in range(IN_FLIGHT)))
    seconds = (clock.monotonic_ns() - began_ns) / NANOSECONDS
    waits.sort()
    return seconds, waits[len(waits) * 99 // 100] / 1e6


def _limits_redis(url: str) -> Ask:
    limits = importlib.import_module("limits")
    strategies, storage = (
        importlib.import_module("limits.aio.strategies"),
        importlib.import_module("limits.aio.storage"),
    )
    limiter = strategies.FixedWindowRateLimiter(
        storage.RedisStorage(f"async+{url}", implementation="redispy")
    )
    items = [limits.parse(text) for text in (f"{MONTH}/month", f"{HOUR}/hour", f"{MINUTE}/minute")]

    async def ask(subject: str) -> object:
        for item in items:
            if not await limiter.hit(item, subject):
                return False
        return True

    return ask


def _throttled_redis(url: str) -> Ask:
    throttled = importlib.import_module("throttled.asyncio")
    limiters = _throttles(throttled, throttled.RedisStore(server=url))

    async def ask(subject: str) -> object:
        for limiter in limiters:
            if (await limiter.limit(subject)).limited:
                return False
        return True

    return ask


async def _bytes(link: RedisLink, store: RedisStore, url: str) -> Row:
    """Measure what a subject takes in Redis, beside the moving window of limits after a hundred requests."""
    names = [f"subject-{secrets.token_hex(4)}" for _ in range(50)]

    async def each() -> float:
        keys = [key for name in names for key in await link.call([b"KEYS", f"*{name}*".encode()])]
        sizes = [await link.call([b"MEMORY", b"USAGE", key]) for key in keys]
        await link.call([b"DEL", *keys])
        return float(sum(sizes)) / len(names)

    await asyncio.gather(*(store.decide(f"{name}:live", LIMITS, 1_000, 1) for name in names))
    ours, peer = await each(), list[float]()
    for aio in available({"limits": lambda: importlib.import_module("limits.aio")}).values():
        storage = aio.storage.RedisStorage(f"async+{url}", implementation="redispy")
        limiter = aio.strategies.MovingWindowRateLimiter(storage)
        item = importlib.import_module("limits").parse("100/minute")
        for name in names:
            await asyncio.gather(*(limiter.hit(item, name) for _ in range(100)))
        peer.append(await each())
    return Row(
        "redis_bytes_per_subject", [ours], "bytes", "lower", 400.0, 250.0, "limits, moving window", peer
    )


async def _leases(size: Size, url: str, plain: list[float]) -> Row:
    """Measure two workers that share one subject by leases, beside our own round trips."""
    clock, stores, tasks = SystemClock(), list[DegradingStore](), list[asyncio.Task[None]]()
    for _ in range(2):
        link = RedisLink(parse_redis_url(url), 1.0)
        redis = RedisStore(link, secrets.token_hex(8), _no_sums, clock)
        store = DegradingStore(link, redis, clock, 300, 2, lambda _: None)
        tasks += [asyncio.create_task(link.run()), asyncio.create_task(store.run())]
        stores.append(store)
    while any(store.state is not StoreState.HEALTHY for store in stores):  # noqa: ASYNC110 - a store tells nobody
        await asyncio.sleep(0.01)
    terms = Terms(LIMITS, 1, 60_000_000, lease=LeaseRule(10_000_000, 500_000, MINUTE * 500))

    plan = plan_of(LIMITS, 1_000, 1)

    async def spend(store: DegradingStore) -> None:
        for number in range(LEASED // 2):
            judged, _ = await store.judge("shared:live", plan, terms)
            if not judged.admitted:
                raise AssertionError("a benchmark's decision was refused")
            if not number % 100:
                await asyncio.sleep(0)

    async def run() -> float:
        began_ns = clock.monotonic_ns()
        await asyncio.gather(*map(spend, stores))
        return LEASED * NANOSECONDS / (clock.monotonic_ns() - began_ns)

    await run()
    values = [await run() for _ in range(size.runs)]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    middle = statistics.median(plain)
    return Row(
        "lease_decisions_per_second",
        values,
        target=5 * middle,
        goal=20 * middle,
        peer="a round trip each",
        peer_values=plain,
    )
