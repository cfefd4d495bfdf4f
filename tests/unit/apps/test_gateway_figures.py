"""Gauges that are looked at each second."""

import asyncio
from pathlib import Path

from tests.servers.gateway_world import TRADES, World
from tests.upstream import policy_text

from veritape.apps.gateway_figures import show_figures, show_readiness
from veritape.gateway.activity import ACTIVE_USERS, QUOTA_USED
from veritape.gateway.adapters.policy_file import PolicyFile
from veritape.gateway.metrics import METRICS
from veritape.gateway.process_metrics import POLICY_INFO
from veritape.gateway.readiness import Check
from veritape.gateway.store_metrics import DEGRADATION_STATE, STORE_REACHABLE
from veritape.gateway.target_health import FAILURES
from veritape.kernel.errors import UnavailableError
from veritape.telemetry import Registry
from veritape.telemetry.metrics import READY_CHECK, part_metrics


def gone() -> None:
    raise UnavailableError("gone")


async def test_the_gauges_follow_the_gateway(tmp_path: Path) -> None:
    """TL-250, GW-772, GW-773: accounts, shares, state, policy, and stores that answer or do not."""
    world, registry = World(tmp_path), Registry((*part_metrics("gateway"), *METRICS), strict=True)
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


async def test_readiness_follows_keys_and_targets(tmp_path: Path) -> None:
    """TL-720, TL-250: key store and upstreams fail by their own fault, the rest passes."""
    world = World(tmp_path, policy_text("http://127.0.0.1:1"))
    registry = Registry((*part_metrics("gateway"), *METRICS), strict=True)
    registry.set(STORE_REACHABLE, 1.0, store="keys")

    def failed() -> list[str]:
        show_readiness(registry, world.gateway)
        return [check for check in Check if registry.value(READY_CHECK, check=check) != 1]

    assert failed() == []
    async with world.client() as client:
        for _ in range(FAILURES):
            assert (await client.get("/echo")).status_code == 502
    assert failed() == ["upstreams"]
    registry.set(STORE_REACHABLE, 0.0, store="keys")
    assert failed() == ["key_store", "upstreams"]
    world.gateway.upstreams.close()
    world.close()
