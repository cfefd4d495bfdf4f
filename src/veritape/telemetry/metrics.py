"""The metrics that every process has (TL-200): what the process is, whether its parts are up, how it is doing."""

from veritape.telemetry.metric import B1, Labels, Merge, Metric, MetricType, with_values
from veritape.telemetry.registry import OVERFLOW

PARTS = ("observer", "executor", "gateway", "replay", "fingerprint", "rls")
"""Values of the label ``part``."""

CHECKS = (
    "journal_writable", "disk_space", "universe_in_force", "clock", "token_valid", "broker_reachable", "websocket",
    "workers", "cache", "queue", "policy_loaded", "key_store", "ledger", "counter_store", "upstreams", "corpus", "listening",
)  # fmt: skip
"""Values of the label ``check``, part after part (TL-720)."""

OPTIONAL_CHECKS = frozenset({"clock", "broker_reachable", "cache", "upstreams"})
"""Checks that are shown and make nobody wait."""

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
READY = Metric(
    "veritape_ready",
    MetricType.GAUGE,
    "Whether the part reports and its required checks of readiness pass.",
    "the page is read",
    labels=PART,
)
READY_CHECK = Metric(
    "veritape_ready_check",
    MetricType.GAUGE,
    "Whether a check of readiness passes: 1 or 0; `/ready` is made of them.",
    "each second",
    labels=(("check", CHECKS),),
    merge=Merge.MIN,
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
VIRTUAL = Metric(
    "process_virtual_memory_bytes",
    MetricType.GAUGE,
    "Virtual memory of the listener's process.",
    "every 5 seconds",
    unit="bytes",
)
MOST_FILES = Metric(
    "process_max_fds", MetricType.GAUGE, "File descriptors that the process may open.", "every 5 seconds"
)
TASK_FAILURES = Metric(
    "veritape_task_failures_total",
    MetricType.COUNTER,
    "Tasks that ended because of a bug.",
    "the broad handler at the top of a task caught a bug",
    labels=PART,
)
PROCESSES = (
    "supervisor", "observer", "executor", "prover", "gateway", "gateway_worker", "replay", "fingerprint", "rls",
)  # fmt: skip
"""Values of the label ``process``."""

PART_CPU = Metric(
    "veritape_process_cpu_seconds_total",
    MetricType.COUNTER,
    "Processor time of a part's processes, user and system.",
    "every 5 seconds",
    unit="seconds",
    labels=(("process", PROCESSES),),
)
PART_RESIDENT = Metric(
    "veritape_process_resident_memory_bytes",
    MetricType.GAUGE,
    "Resident memory of a part's processes.",
    "every 5 seconds",
    unit="bytes",
    labels=(("process", PROCESSES),),
    merge=Merge.SUM,
)
DISK_FREE = Metric(
    "veritape_disk_free_bytes",
    MetricType.GAUGE,
    "Room on the file system that holds a folder.",
    "every 5 seconds",
    unit="bytes",
    labels=(("volume", ("data", "backup", "cache")),),
    merge=Merge.MIN,
)
DISK_SIZE = Metric(
    "veritape_disk_size_bytes",
    MetricType.GAUGE,
    "Size of the file system that holds a folder.",
    "every 5 seconds",
    unit="bytes",
    labels=(("volume", ("data", "backup", "cache")),),
    merge=Merge.MIN,
)
START_TIME = Metric(
    "process_start_time_seconds",
    MetricType.GAUGE,
    "Unix time at which the listener's process started.",
    "start",
    unit="seconds",
)

PROCESS = (CPU, RESIDENT, VIRTUAL, OPEN_FILES, MOST_FILES, START_TIME)
"""Families of the process that owns the listener."""


def part_metrics(part: str) -> tuple[Metric, ...]:
    """Return the families that every process of a part has beside the part's own."""
    of_part = (with_values(metric, part=(part,)) for metric in (HEARTBEAT, LOOP_LAG, TASK_FAILURES))
    of_process = (with_values(metric, process=(part,)) for metric in (PART_CPU, PART_RESIDENT))
    return (*of_part, *of_process, READY_CHECK, DISK_FREE, DISK_SIZE, LOG_RECORDS, OVERFLOW)


def page_metrics(parts: tuple[str, ...], *, version: str, commit: str, python: str) -> tuple[Metric, ...]:
    """Return the families of the process that serves the page for the given parts."""
    build = with_values(BUILD_INFO, version=(version,), commit=(commit,), python=(python,))
    of_parts = (with_values(metric, part=parts) for metric in (PART_UP, READY))
    return (build, *of_parts, *PROCESS, OVERFLOW)
