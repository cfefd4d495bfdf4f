"""Workers that spend leases of one subject, each a process that is to be killed."""

import asyncio
import os
import secrets
from pathlib import Path

from tests.servers.redis_stand import no_sums

from veritape.gateway.adapters.degrading_store import DegradingStore
from veritape.gateway.adapters.redis_address import parse_redis_url
from veritape.gateway.adapters.redis_link import RedisLink
from veritape.gateway.adapters.redis_store import RedisStore
from veritape.gateway.adapters.stores import Terms
from veritape.gateway.leases import LeaseRule
from veritape.gateway.quota import MU, Limits, Mode, make_rule
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import UnavailableError

BURST = 3_000
CALLERS = 4
"""Requests under way at a time in a process."""

LEASE_UNITS = 20
"""Most that a process holds."""

LEASE = LeaseRule(LEASE_UNITS * MU, 10_000_000, BURST * MU // 2)
"""It lasts twenty times the shipped tier's: what a process that gets no processor cannot spend in time would be lost like a killed one's."""

LIMITS = Limits(None, make_rule(1, 3_600, BURST))
"""A unit an hour: nothing comes back while a test runs."""

PATIENT_S = 30
"""No answer is late on a busy machine, so that none is decided without the store."""


def spend(url: str, notes: Path) -> None:
    """Spend until killed: a letter for each decision, by a call or by a lease, refused, or without the store."""
    asyncio.run(_spend(url, notes))


async def _spend(url: str, notes: Path) -> None:
    link, clock = RedisLink(parse_redis_url(url), PATIENT_S), SystemClock()
    redis = RedisStore(link, secrets.token_hex(8), no_sums, clock)
    store = DegradingStore(link, redis, clock, 300, 1, lambda _: None)
    told = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    letters = {Mode.EXACT: b"c", Mode.LEASE: b"l"}

    async def call() -> None:
        while True:
            try:
                decision, _ = await store.decide("acme:live", MU, Terms(LIMITS, 7, 1_000_000, lease=LEASE))
            except UnavailableError:
                pass  # the start is not over
            else:
                letter = letters.get(decision.mode, b"!") if decision.admitted else b"-"
                os.write(told, letter)
            await asyncio.sleep(0.02)

    await asyncio.gather(link.run(), store.run(), *(call() for _ in range(CALLERS)))
