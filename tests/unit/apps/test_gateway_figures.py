"""Gauges that are looked at each second."""

import asyncio
from pathlib import Path

from tests.servers.gateway_world import TRADES, World

from veritape.apps.gateway_figures import show_figures
from veritape.gateway.activity import ACTIVE_USERS, QUOTA_USED
from veritape.gateway.adapters.policy_file import PolicyFile
from veritape.gateway.metrics import METRICS
from veritape.gateway.process_metrics import POLICY_INFO
from veritape.gateway.store_metrics import DEGRADATION_STATE, STORE_REACHABLE
from veritape.kernel.errors import UnavailableError
from veritape.telemetry import Registry


def gone() -> None:
    raise UnavailableError("gone")


async def test_the_gauges_follow_the_gateway(tmp_path: Path) -> None:
    """TL-250, GW-772, GW-773: accounts, shares, state, policy, and stores that answer or do not."""
    world, registry = World(tmp_path), Registry(METRICS, strict=True)
    async with world.client() as client:
        await client.get(TRADES, headers={"X-API-Key": world.key()})
    probes = {"keys": lambda: None, "ledger": gone}
    showing = asyncio.create_task(
        show_figures(registry, world.gateway, PolicyFile(None), probes, world.clock)
    )
    while str(registry.value(STORE_REACHABLE, store="ledger")) == "nan":
        await asyncio.sleep(0)
    showing.cancel()
    await asyncio.gather(showing, return_exceptions=True)
    world.close()
    assert registry.value(ACTIVE_USERS) == 1
    assert registry.value(QUOTA_USED, tier="free", period="minute") == 1 / 150
    assert registry.value(DEGRADATION_STATE, state="healthy") == 1
    assert registry.value(POLICY_INFO, version="7") == 1
    assert registry.value(STORE_REACHABLE, store="keys") == 1
    assert registry.value(STORE_REACHABLE, store="ledger") == 0
