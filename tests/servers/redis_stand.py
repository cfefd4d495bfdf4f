"""A store on a real Redis, for tests."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from tests.servers.redis_process import RedisProcess
from tests.waiting import PATIENCE_S

from veritape.gateway.adapters.redis_address import parse_redis_url
from veritape.gateway.adapters.redis_link import RedisLink
from veritape.gateway.adapters.redis_store import RedisStore
from veritape.gateway.adapters.store_link import Link
from veritape.gateway.quota import MU, Limits, make_rule
from veritape.kernel.clock import SystemClock

FREE = Limits(make_rule(100, 60, 150), make_rule(3_000, 3_600, 3_000), 50_000 * MU, 10)
"""Limits of the shipped policy's free tier."""


@asynccontextmanager
async def linked(server: RedisProcess, deadline_s: float = 30) -> AsyncIterator[RedisLink]:
    """Connect."""
    link = RedisLink(parse_redis_url(server.url), deadline_s)
    running = asyncio.create_task(link.run())
    await asyncio.wait_for(link.connected.wait(), PATIENCE_S)
    try:
        yield link
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def no_sums(subject: str, period: str) -> Mapping[str, int]:
    """Know of no charge before."""
    del subject, period
    return {}


def store_on(link: Link, boot: str = "b1") -> RedisStore:
    """Return a store of a boot."""
    return RedisStore(link, boot, no_sums, SystemClock())
