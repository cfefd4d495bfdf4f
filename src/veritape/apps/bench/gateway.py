"""Suite ``gateway``."""

import asyncio
from collections.abc import Iterator

import uvloop

from veritape.apps.bench.gateway_decisions import decisions
from veritape.apps.bench.gateway_envoy import envoy_decisions
from veritape.apps.bench.gateway_middleware import middleware
from veritape.apps.bench.gateway_proxies import proxies
from veritape.apps.bench.gateway_two_cores import two_cores
from veritape.apps.bench.gateway_usage import usage
from veritape.apps.bench.results import Row, Size, rates
from veritape.gateway.quota import Limits, State, evaluate, make_rule


def gateway(size: Size) -> Iterator[Row]:
    """Measure the quota."""
    limits = Limits(make_rule(1_000, 60, 1_500), make_rule(30_000, 3_600, 30_000), 1_000_000_000, 100)

    def decide() -> int:
        state = State()
        for now_us in range(0, 20_000_000, 1_000):
            state, _ = evaluate(limits, state, 1_000, now_us, 1_795_219_200_000_000, 1)
        return 20_000

    def counter() -> int:
        tokens, last = 1_500.0, 0.0
        for step in range(20_000):
            now = step / 1_000
            tokens = min(1_500.0, tokens + (now - last) * 1_000 / 60)
            last = now
            tokens -= tokens >= 1
        return 20_000

    values, peers = rates(size, decide, counter)
    yield Row("quota_decisions_per_second", values, peer="one bucket in floating point", peer_values=peers)
    yield from decisions(size)
    yield from middleware(size)
    yield from usage(size)
    yield from proxies(size)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield from runner.run(two_cores(size))
    yield from envoy_decisions(size)
