"""A worker of a gateway on a real Redis, and the ways in which Redis goes away, for tests of a store that must go on."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.servers.redis_process import RedisProcess
from tests.waiting import until

from veritape.gateway.adapters.degrading_store import DegradingStore
from veritape.gateway.adapters.redis_address import parse_redis_url
from veritape.gateway.adapters.redis_link import RedisLink
from veritape.gateway.adapters.redis_store import RedisStore
from veritape.gateway.adapters.stores import Terms
from veritape.gateway.degradation import StoreState
from veritape.gateway.policy import Lost
from veritape.gateway.quota import MU, Limits, Mode, make_rule
from veritape.kernel.clock import SystemClock

FREE = Limits(make_rule(100, 60, 150), make_rule(3_000, 3_600, 3_000), 50_000 * MU, None)
CLOCK = SystemClock()


@dataclass
class Worker:
    """One gateway's store and what its ledger would know."""

    store: DegradingStore
    redis: RedisStore
    ledger: dict[tuple[str, str], int] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)

    async def ask(
        self, subject: str = "acme:live", cost_mu: int = MU, lost: Lost = Lost.LOCAL
    ) -> tuple[bool, Mode]:
        began_ns = CLOCK.monotonic_ns()
        decision, _ = await self.store.decide(subject, cost_mu, Terms(FREE, 7, 1_000_000, lost))
        self.took_s.append((CLOCK.monotonic_ns() - began_ns) / 1e9)
        if decision.admitted:
            key = subject, decision.period
            self.ledger[key] = self.ledger.get(key, 0) + cost_mu
        return decision.admitted, decision.mode

    async def until(self, *states: StoreState) -> None:
        await until(lambda: self.store.state in states, lambda: self.store.states.transitions)


@asynccontextmanager
async def worker(
    server: RedisProcess, boot: str = "b1", grace_s: int = 300, workers_least: int = 1, wait: bool = True
) -> AsyncIterator[Worker]:
    said: list[str] = []
    link = RedisLink(parse_redis_url(server.url), 5)
    known: dict[tuple[str, str], int] = {}

    async def sums(subject: str, period: str) -> Mapping[str, int]:
        return {boot: known.get((subject, period), 0)}

    redis = RedisStore(link, boot, sums, CLOCK)
    store = DegradingStore(link, redis, CLOCK, grace_s, workers_least, said.append)
    tasks = [asyncio.create_task(link.run()), asyncio.create_task(store.run())]
    one = Worker(store, redis, known, said)
    try:
        if wait:
            await one.until(StoreState.HEALTHY)
        yield one
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


Break = Callable[[RedisProcess], None]


def kill(server: RedisProcess) -> None:
    server.kill()


def pause(server: RedisProcess) -> None:
    server.signal(signal.SIGSTOP)


def mend(server: RedisProcess) -> None:
    if server.process is None:
        server.start()
    else:
        server.signal(signal.SIGCONT)
