"""Figures of the gateway: set by real requests and by nothing else."""

from pathlib import Path

import httpx
import pytest
from tests.servers.gateway_world import TRADES, World

from veritape.gateway import metrics
from veritape.gateway.access_lines import Access
from veritape.gateway.metrics import CACHE_HITS, CACHE_MISSES, METRICS, LookUpFigures, RequestFigures
from veritape.telemetry import Metric, Registry


def value(registry: Registry, metric: Metric, **labels: str) -> float:
    return registry.values[registry.index(metric, **labels)]


def test_the_labels_are_those_of_the_shipped_policy(tmp_path: Path) -> None:
    """TL-250: routes and tiers are closed."""
    world = World(tmp_path)
    world.close()
    assert {route.name for route in world.gate.policy.routes} <= set(metrics.ROUTES)
    assert set(world.gate.policy.tiers) <= set(metrics.TIERS)


async def test_requests_move_their_figures(tmp_path: Path) -> None:
    """TL-250, GW-771, GW-773: 150 admitted and one denied request, one unknown path, one health check."""
    world, registry = World(tmp_path), Registry(METRICS, strict=True)
    key = world.key()
    async with world.client() as client:
        for path, headers in [
            *[(TRADES, {"X-API-Key": key})] * 151,
            ("/none", {}),
            ("/health", {}),
            (TRADES, {}),
        ]:
            answer: httpx.Response = await client.get(path, headers=headers)
            assert answer.status_code in {200, 401, 404, 429}
    world.close()
    figures = RequestFigures(registry)
    for access in world.log:
        figures.note(access)
    assert value(registry, metrics.REQUESTS) == 151
    assert value(registry, metrics.REJECTED) == 1
    assert value(registry, metrics.TIER_REJECTED, tier="free") == 1
    assert value(registry, metrics.DECISIONS, tier="free", outcome="minute", mode="exact") == 1
    assert value(registry, metrics.DECISIONS, tier="free", outcome="allowed", mode="exact") == 150
    assert value(registry, metrics.UNITS, event="charged") == 150
    assert value(registry, metrics.PROBLEMS, reason="missing_credentials") == 1
    assert value(registry, metrics.HTTP_REQUESTS, **{"route": "trades", "class": "429"}) == 1
    assert value(registry, metrics.HTTP_REQUESTS, **{"route": "builtin", "class": "2xx"}) == 1


@pytest.mark.parametrize(
    ("route", "tier", "anonymous"), [("own", "gold", False), ("console", "lan-10", True)]
)
def test_names_of_an_own_policy_are_other(tmp_path: Path, route: str, tier: str, anonymous: bool) -> None:
    """TL-250: a route or tier outside the tuple is ``other``; classes are anonymous; a refund is counted."""
    world, registry = World(tmp_path), Registry(METRICS, strict=True)
    world.close()
    visit_fields = (
        "r",
        "GET",
        route,
        200,
        "",
        "",
        "",
        tier,
        0,
        "exact",
        1,
        "allowed",
        2_000,
        2_000,
        anonymous,
    )
    RequestFigures(registry).note(Access(*visit_fields))
    assert value(registry, metrics.UNITS, event="refunded") == 2
    assert value(registry, metrics.TIER_REQUESTS, tier="anonymous" if anonymous else "other") == 1


def test_look_ups_of_credentials_are_counted() -> None:
    """TL-250, GW-773: found in the worker's memory, or not."""
    registry = Registry(METRICS)
    figures = LookUpFigures(registry)
    for is_remembered in (True, True, False):
        figures.note(is_remembered)
    values = [registry.values[registry.index(metric)] for metric in (CACHE_HITS, CACHE_MISSES)]
    assert values == [2, 1]
