"""The recorder's families as values."""

from veritape.observer.metrics import CYCLE_OUTCOMES, METRICS, cycle_outcome
from veritape.telemetry import Registry
from veritape.telemetry.metrics import part_metrics


def test_one_registry_holds_them_beside_the_parts_own() -> None:
    """TL-010, TL-090: distinct names, one layout, few series."""
    registry = Registry((*part_metrics("observer"), *METRICS), strict=True)
    assert {metric.name for metric in METRICS} <= {metric.name for metric in registry.metrics}
    assert all(metric.name.startswith("observer_") for metric in METRICS)
    assert sum(metric.series for metric in METRICS) < 420


def test_every_sweep_has_one_outcome() -> None:
    """TL-220: complete, partial, failed or skipped."""
    assert [
        cycle_outcome(3, 3, 1),
        cycle_outcome(3, 1, 1),
        cycle_outcome(3, 0, 3),
        cycle_outcome(3, 0, 0),
    ] == list(CYCLE_OUTCOMES)
