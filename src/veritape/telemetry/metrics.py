"""The metrics that every process has (TL-200): what the process is, whether its parts are up, how it is doing."""

from veritape.telemetry.metric import B1, Labels, Merge, Metric, MetricType, with_values
from veritape.telemetry.registry import OVERFLOW

PARTS = ("observer", "executor", "gateway", "replay", "fingerprint", "rls")
"""Values of the label ``part``."""

LEVELS = ("debug", "info", "warning", "error", "critical")
"""Values of the label ``level``."""

PART: Labels = (("part", PARTS),)

BUILD_INFO = Metric(
    "veritape_build_info",
    MetricType.GAUGE,
    "What runs: always 1, the facts are in the labels.",
    "start",
    labels=(("version", ("unknown",)), ("commit", ("unknown",)), ("python", ("unknown",))),
    start=1.0,
)
PART_UP = Metric(
    "veritape_part_up",
    MetricType.GAUGE,
    "Whether the part's last vector is under 3 seconds old.",
    "the page is read: age of the last vector",
    labels=PART,
)
HEARTBEAT = Metric(
    "veritape_heartbeat_timestamp_seconds",
    MetricType.GAUGE,
    "Unix time of the part's last turn of its main loop.",
    "each turn of the part's main loop, at least every second",
    unit="seconds",
    labels=PART,
    merge=Merge.MIN,
)
LOOP_LAG = Metric(
    "veritape_event_loop_lag_seconds",
    MetricType.HISTOGRAM,
    "Time by which a 100 ms timer of the loop woke too late.",
    "the 100 ms timer woke",
    unit="seconds",
    labels=PART,
    buckets=B1,
)
LOG_RECORDS = Metric(
    "veritape_log_records_total",
    MetricType.COUNTER,
    "Log records written, by level.",
    "a record was written",
    labels=(("level", LEVELS),),
)
CPU = Metric(
    "process_cpu_seconds_total",
    MetricType.COUNTER,
    "Processor time of the listener's process, user and system.",
    "every 5 seconds",
    unit="seconds",
)
RESIDENT = Metric(
    "process_resident_memory_bytes",
    MetricType.GAUGE,
    "Resident memory of the listener's process.",
    "every 5 seconds",
    unit="bytes",
)
OPEN_FILES = Metric(
    "process_open_fds",
    MetricType.GAUGE,
    "Open file descriptors of the listener's process.",
    "every 5 seconds",
)
START_TIME = Metric(
    "process_start_time_seconds",
    MetricType.GAUGE,
    "Unix time at which the listener's process started.",
    "start",
    unit="seconds",
)

PROCESS = (CPU, RESIDENT, OPEN_FILES, START_TIME)
"""Families of the process that owns the listener."""


def part_metrics(part: str) -> tuple[Metric, ...]:
    """Return the families that every process of a part has beside the part's own."""
    return (with_values(HEARTBEAT, part=(part,)), with_values(LOOP_LAG, part=(part,)), LOG_RECORDS, OVERFLOW)


def page_metrics(parts: tuple[str, ...], *, version: str, commit: str, python: str) -> tuple[Metric, ...]:
    """Return the families of the process that serves the page for the given parts."""
    build = with_values(BUILD_INFO, version=(version,), commit=(commit,), python=(python,))
    return (build, with_values(PART_UP, part=parts), *PROCESS, OVERFLOW)
