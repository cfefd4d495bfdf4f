"""Label values that are closed when the policy is loaded: routes, tiers, upstreams, the version (TL-250)."""

from collections.abc import Iterable
from typing import Final

from veritape.gateway.policy import Policy
from veritape.telemetry.metric import OTHER, Metric, with_values
from veritape.telemetry.registry import Registry

ROUTES_SHOWN: Final = 20
"""The policy's first routes have a label value of their own."""

TIERS_SHOWN: Final = 8
"""The policy's first tiers have one."""


def closed_metrics(metrics: Iterable[Metric], policy: Policy) -> tuple[Metric, ...]:
    """Return the families with the policy's routes, tiers and version; what comes later is ``other``."""
    values = {
        "route": (*[route.name for route in policy.routes][:ROUTES_SHOWN], OTHER, "builtin", "none"),
        "tier": (*list(policy.tiers)[:TIERS_SHOWN], "anonymous", OTHER),
        "upstream": (*policy.upstreams, OTHER),
        "version": (str(policy.version), OTHER),
    }
    return tuple(
        with_values(metric, **{name: values[name] for name, _ in metric.labels if name in values})
        for metric in metrics
    )


def known_values(registry: Registry, metric: Metric, label: str) -> tuple[str, ...]:
    """Return a label's closed values in a registry."""
    found = next(one for one in registry.metrics if one.name == metric.name)
    return dict(found.labels)[label]


def known_value(registry: Registry, metric: Metric, label: str, value: str) -> str:
    """Return a value as the registry has it: itself, or ``other``."""
    return value if value in known_values(registry, metric, label) else OTHER
