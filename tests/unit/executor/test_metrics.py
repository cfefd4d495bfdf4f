"""The executor's families."""

from veritape.executor.metrics import METRICS
from veritape.telemetry.registry import Registry


def test_the_families_are_those_that_work_without_a_proof_can_set() -> None:
    """EX-605, TL-240: simulated work counts in receipts and cycles; what counts proofs is absent until there are some."""
    Registry(METRICS, strict=True)
    names = [metric.name for metric in METRICS]
    assert names == [
        "l2_guest_cycles_total",
        "l2_receipts_total",
        "l2_errors_total",
        "l2_errors_by_reason_total",
        "l2_receipts_refused_total",
        "l2_cache_size_bytes",
        "l2_parallel_workers_active",
        "l2_workers_max",
        "l2_worker_restarts_total",
        "l2_queue_length",
        "l2_queue_oldest_age_seconds",
        "l2_estimated_tps",
        "l2_estimated_gas_savings_percent",
    ]
    words = ("proof", "tps", "hit", "aggregation", "gas")
    named = [name for name in names if any(word in name for word in words)]
    assert all(name.startswith("l2_estimated_") for name in named)
