"""The counters of an application that limits itself: in its process, or in a Redis that its processes share (GW-601)."""

import secrets
from collections.abc import Coroutine
from typing import Any

from veritape.gateway.adapters.degrading_store import DegradingStore
from veritape.gateway.adapters.redis_address import parse_redis_url
from veritape.gateway.adapters.redis_link import RedisLink
from veritape.gateway.adapters.redis_store import RedisStore
from veritape.gateway.adapters.stores import ProcessStore, Store
from veritape.gateway.memory_store import MemoryStore
from veritape.gateway.policy import Policy
from veritape.gateway.usage import BOOT_BYTES
from veritape.kernel.clock import Clock
from veritape.kernel.errors import MisuseError


def open_store(policy: Policy, redis: str, clock: Clock) -> tuple[Store, list[Coroutine[Any, Any, None]]]:
    """Return the policy's store, and what has to run while it is used.

    Args:
        policy: says of which kind it is.
        redis: address of the shared one; empty: memory.
        clock: ours.

    Raises:
        MisuseError: policy and address do not fit together, or the address is none.
    """
    if (policy.store.kind == "redis") != bool(redis):
        raise MisuseError('Limit: redis="redis://..." and store.kind = "redis" in the policy belong together')
    if not redis:
        return ProcessStore(MemoryStore(), clock), []
    settings, link = policy.store, RedisLink(parse_redis_url(redis), policy.store.deadline_ms / 1_000)
    shared = RedisStore(link, secrets.token_bytes(BOOT_BYTES).hex(), _no_sums, clock, settings.partitions)
    store = DegradingStore(link, shared, clock, settings.grace_s, settings.workers_min, lambda _: None)
    return store, [link.run(), store.run()]


async def _no_sums(subject: str, period: str) -> dict[str, int]:
    """Know of no charge before: without a ledger a month begins at nothing when Redis does not know it."""
    del subject, period
    return {}
