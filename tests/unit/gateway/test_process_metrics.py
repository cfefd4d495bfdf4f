"""Gauges of the process."""

from veritape.gateway.process_metrics import (
    IN_FLIGHT,
    OVERLOAD_LEVEL,
    POLICY_INFO,
    POLICY_RELOADS,
    PROCESS_METRICS,
    show_process,
)
from veritape.telemetry import Registry


def test_gauges_say_what_is_true_now() -> None:
    """TL-250, GW-772: requests in progress, level, policy, reloads; a policy that a reload brought is ``other``."""
    registry = Registry(PROCESS_METRICS, strict=True)
    show_process(registry, 3, 2, 7, {"applied": 1})
    assert (registry.value(IN_FLIGHT), registry.value(OVERLOAD_LEVEL)) == (3, 2)
    assert [registry.value(POLICY_INFO, version=name) for name in ("7", "other")] == [1, 0]
    show_process(registry, 0, 0, 8, {"applied": 2, "refused": 1})
    assert [registry.value(POLICY_INFO, version=name) for name in ("7", "other")] == [0, 1]
    assert [registry.value(POLICY_RELOADS, result=name) for name in ("applied", "refused", "unchanged")] == [
        2,
        1,
        0,
    ]
