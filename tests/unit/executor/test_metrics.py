"""The metrics of the executor."""

from veritape.executor.metrics import METRICS
from veritape.telemetry.registry import Registry


def test_the_families_are_those_of_the_specification() -> None:
    """EX-605: simulated work counts in receipts and cycles alone; no family is named proof."""
    Registry(METRICS, strict=True)
    assert [metric.name for metric in METRICS] == [
        "l2_guest_cycles_total",
        "l2_receipts_total",
        "l2_errors_total",
    ]
