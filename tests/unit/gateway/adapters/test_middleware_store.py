"""Which store an application that limits itself gets."""

import asyncio
from pathlib import Path

import pytest
from tests import limited
from tests.servers.redis_process import redis_process
from tests.waiting import PATIENCE_S

from veritape.gateway.adapters.middleware_store import open_store
from veritape.gateway.adapters.stores import ProcessStore, Terms
from veritape.gateway.degradation import StoreState
from veritape.gateway.quota import MU, Limits, make_rule
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import MisuseError

SHARED = limited.POLICY.replace("[tiers]", '[store]\nkind = "redis"\n[tiers]')


def test_memory_needs_nothing_beside_it() -> None:
    """GW-601, GW-251: the store of one process; policy and address have to agree."""
    store, background = open_store(limited.policy(), "", SystemClock())
    assert (type(store), background) == (ProcessStore, [])
    for text, redis in ((limited.POLICY, "redis://h"), (SHARED, "")):
        with pytest.raises(MisuseError, match="belong together"):
            open_store(limited.policy(text), redis, SystemClock())


async def test_a_shared_store_is_run_beside_the_application(tmp_path: Path) -> None:
    """GW-601, GW-258: it is there once it has begun, and an account's month begins at nothing."""
    with redis_process(tmp_path) as server:
        store, background = open_store(limited.policy(SHARED), server.url, SystemClock())
        tasks = [asyncio.create_task(one) for one in background]
        await asyncio.wait_for(store.begun(), PATIENCE_S)
        assert store.state is StoreState.HEALTHY
        limits = Limits(make_rule(100, 60, 150), month_mu=5 * MU)
        decision, _ = await store.decide("acme:live", MU, Terms(limits, 1, 60_000_000))
        assert {part.name.value: part.remaining_mu for part in decision.limits} == {
            "month": 4 * MU, "minute": 149 * MU
        }  # fmt: skip
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
