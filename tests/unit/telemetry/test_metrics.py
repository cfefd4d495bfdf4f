"""The common families."""

from veritape.telemetry import Registry
from veritape.telemetry.metrics import page_metrics, part_metrics


def test_a_process_has_its_own_part_only() -> None:
    """TL-200: a process alone shows its own part; its series are few."""
    names = {metric.name for metric in part_metrics("replay")}
    assert names == {
        "veritape_heartbeat_timestamp_seconds",
        "veritape_event_loop_lag_seconds",
        "veritape_task_failures_total",
        "veritape_process_cpu_seconds_total",
        "veritape_process_resident_memory_bytes",
        "veritape_disk_free_bytes",
        "veritape_disk_size_bytes",
        "veritape_log_records_total",
        "veritape_label_overflow_total",
        "veritape_ready_check",
    }
    assert sum(metric.series for metric in part_metrics("replay")) == 1 + 16 + 5 + 1 + 1 + 2 + 6 + 17


def test_the_build_is_named_in_labels() -> None:
    """TL-200: the build's facts are labels of a family that is always 1."""
    build = page_metrics(("observer",), version="0.1.0", commit="abc", python="3.11.7")[0]
    registry = Registry((build,))
    assert registry.value(build, version="0.1.0", commit="abc", python="3.11.7") == 1
