"""Figures of a gateway's process: time of decisions, what is in progress, the policy in force, admin calls (TL-250)."""

from collections.abc import Mapping
from typing import Final

from veritape.gateway.closed_labels import known_value, known_values
from veritape.telemetry.metric import B1, B2, OTHER, Merge, Metric, MetricType
from veritape.telemetry.registry import Registry

DECIDERS: Final = ("memory", "redis", "lease")
"""What answered a decision."""

RELOADS: Final = ("applied", "refused", "unchanged")
"""How a reload ended."""

DECISION_SECONDS: Final = Metric(
    "gateway_decision_duration_seconds", MetricType.HISTOGRAM, "Time of a quota decision, waits included.",
    "a decision was given", unit="seconds", labels=(("store", DECIDERS),), buckets=B1,
)  # fmt: skip
OVERHEAD_SECONDS: Final = Metric(
    "gateway_overhead_seconds", MetricType.HISTOGRAM, "Time of a request less that of its route.", "a response ended",
    unit="seconds", buckets=B1,
)  # fmt: skip
IN_FLIGHT: Final = Metric(
    "gateway_requests_in_flight", MetricType.GAUGE, "Requests in progress.", "a request ended, and each second",
    merge=Merge.SUM, start=0.0,
)  # fmt: skip
OVERLOAD_LEVEL: Final = Metric(
    "gateway_overload_level", MetricType.GAUGE, "Level of the overload ladder, 0 to 3.", "each second",
    merge=Merge.MAX, start=0.0,
)  # fmt: skip
POLICY_INFO: Final = Metric(
    "gateway_policy_info", MetricType.GAUGE, "1 for the policy in force; other: one that a reload brought.",
    "a policy came into force", labels=(("version", ("7", OTHER)),), merge=Merge.MAX, start=0.0,
)  # fmt: skip
POLICY_RELOADS: Final = Metric(
    "gateway_policy_reloads_total", MetricType.COUNTER, "Reloads of the policy by their end.", "a reload ended",
    labels=(("result", RELOADS),),
)  # fmt: skip
ADMIN_SECONDS: Final = Metric(
    "gateway_admin_request_duration_seconds", MetricType.HISTOGRAM, "Time of an admin API request.",
    "an admin API request ended", unit="seconds", buckets=B2,
)  # fmt: skip

PROCESS_METRICS: Final = (
    DECISION_SECONDS, OVERHEAD_SECONDS, IN_FLIGHT, OVERLOAD_LEVEL, POLICY_INFO, POLICY_RELOADS, ADMIN_SECONDS,
)  # fmt: skip
"""Families of the process, in vector order."""


def show_process(
    registry: Registry, in_flight: int, level: int, version: int, reloads: Mapping[str, int]
) -> None:
    """Put the gauges at what is true now.

    Args:
        registry: of the process.
        in_flight: requests in progress.
        level: of the overload ladder.
        version: of the policy in force.
        reloads: how many ended in which way.
    """
    registry.set(IN_FLIGHT, in_flight)
    registry.set(OVERLOAD_LEVEL, level)
    present = known_value(registry, POLICY_INFO, "version", str(version))
    for name in known_values(registry, POLICY_INFO, "version"):
        registry.set(POLICY_INFO, float(name == present), version=name)
    for result in RELOADS:
        registry.values[registry.index(POLICY_RELOADS, result=result)] = float(reloads.get(result, 0))
