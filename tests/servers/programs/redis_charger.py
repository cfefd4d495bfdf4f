"""Charge one subject through a store of its own: URL, boot, requests, subject; waits for a line, prints what was admitted."""

import asyncio
import json
import sys
from collections.abc import Mapping

import click

from veritape.gateway.adapters.redis_address import parse_redis_url
from veritape.gateway.adapters.redis_link import RedisLink
from veritape.gateway.adapters.redis_store import RedisStore
from veritape.gateway.quota import MU, Limits, make_rule
from veritape.kernel.clock import SystemClock

LIMITS = Limits(make_rule(1, 3_600, 500), None, 400_000, None)
"""A bucket that gets nothing back during a test, and a month below it."""


PATIENT_S = 60
"""No answer is late on a busy machine."""


async def no_sums(subject: str, period: str) -> Mapping[str, int]:
    """Know nothing of earlier boots."""
    del subject, period
    return {}


async def charge(url: str, boot: str, requests: int, subject: str) -> None:
    """Charge at once and tell."""
    link = RedisLink(parse_redis_url(url), PATIENT_S)
    running = asyncio.create_task(link.run())
    await link.connected.wait()
    store = RedisStore(link, boot, no_sums, SystemClock())
    click.echo("ready")
    sys.stdin.readline()
    found = await asyncio.gather(*(store.decide(subject, LIMITS, MU, 7) for _ in range(requests)))
    remaining = [decision.limits[0].remaining_mu for decision, _ in found if decision.admitted]
    click.echo(json.dumps({"admitted": len(remaining), "remaining": remaining}))
    running.cancel()


asyncio.run(charge(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
