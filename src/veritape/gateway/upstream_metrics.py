"""Figures of upstreams (TL-250): targets that get requests, attempts by how they ended, their time."""

from collections.abc import Callable
from typing import Final

from veritape.gateway.closed_labels import known_value
from veritape.telemetry.metric import B2, OTHER, Merge, Metric, MetricType
from veritape.telemetry.registry import Registry

UPSTREAMS: Final = ("veritape", "fingerprint", OTHER)
"""Upstreams of the shipped policy; another policy's stand in their place."""

CLASSES: Final = ("2xx", "3xx", "4xx", "5xx", "timeout", "error")
"""How an attempt ended: the answer's status class, or why there was none."""

HEALTHY_TARGETS: Final = Metric(
    "gateway_upstream_healthy_targets", MetricType.GAUGE, "Targets that get requests; 1 for a part of this process.",
    "the policy was loaded or a target's health changed", labels=(("upstream", UPSTREAMS),), merge=Merge.MIN,
)  # fmt: skip
UPSTREAM_REQUESTS: Final = Metric(
    "gateway_upstream_requests_total", MetricType.COUNTER, "Attempts at upstreams by how they ended.",
    "an upstream answered or failed", labels=(("upstream", UPSTREAMS), ("class", CLASSES)),
)  # fmt: skip
UPSTREAM_SECONDS: Final = Metric(
    "gateway_upstream_duration_seconds", MetricType.HISTOGRAM, "Time from an attempt to the head of its answer.",
    "an upstream answered or failed", unit="seconds", labels=(("upstream", UPSTREAMS),), buckets=B2,
)  # fmt: skip

UPSTREAM_METRICS: Final = (HEALTHY_TARGETS, UPSTREAM_REQUESTS, UPSTREAM_SECONDS)
"""Families of upstreams, in vector order."""


class RegistryFigures:
    """Moves the figures of a registry; an attempt's series are looked up once."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._series: dict[tuple[str, str], tuple[int, Callable[[float], None]]] = {}
        """Upstream and end of an attempt -> slot of the count, observer of the time."""

    def attempt(self, upstream: str, outcome: str, seconds: float) -> None:
        """Note an attempt: its status class, ``timeout`` or ``error``."""
        key = upstream, outcome
        slot, observe = self._series.get(key) or self._attempt_series(*key)
        self._registry.values[slot] += 1
        observe(seconds)

    def healthy(self, upstream: str, targets: int) -> None:
        """Note how many targets get requests."""
        shown = known_value(self._registry, HEALTHY_TARGETS, "upstream", upstream)
        self._registry.set(HEALTHY_TARGETS, float(targets), upstream=shown)

    def _attempt_series(self, upstream: str, outcome: str) -> tuple[int, Callable[[float], None]]:
        shown = known_value(self._registry, UPSTREAM_REQUESTS, "upstream", upstream)
        slot = self._registry.index(UPSTREAM_REQUESTS, **{"upstream": shown, "class": outcome})
        made = self._series[upstream, outcome] = (
            slot,
            self._registry.observer(UPSTREAM_SECONDS, upstream=shown),
        )
        return made


class NoFigures:
    """Moves nothing: for who has no metrics page."""

    def attempt(self, upstream: str, outcome: str, seconds: float) -> None:
        """Forget an attempt."""

    def healthy(self, upstream: str, targets: int) -> None:
        """Forget how many targets get requests."""
