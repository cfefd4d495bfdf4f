"""Metrics of the executor: only what its code sets (telemetry specification, L2 tables)."""

from typing import Final

from veritape.executor.cache.counters import Layer
from veritape.executor.reasons import ERROR_CLASSES, REFUSAL_CLASSES
from veritape.telemetry.metric import Labels, Merge, Metric, MetricType

SIMULATED: Final = "simulated"
"""Label of what was executed and not proven; it never contributes to a figure named proof (EX-319)."""

_KINDS: Final[Labels] = (("kind", (SIMULATED, "stark")),)

GUEST_CYCLES: Final = Metric(
    "l2_guest_cycles_total",
    MetricType.COUNTER,
    "Instructions that guests retired.",
    "a guest halted",
    labels=_KINDS,
)
"""Cycles of halted executions."""

RECEIPTS: Final = Metric(
    "l2_receipts_total",
    MetricType.COUNTER,
    "Receipts made, by kind; simulated ones were executed, not proven.",
    "a receipt was returned",
    labels=_KINDS,
)
"""Receipts made."""

ERRORS: Final = Metric(
    "l2_errors_total",
    MetricType.COUNTER,
    "Items, jobs and requests that ended with an error.",
    "an item, job or request ended with an error",
)
"""Errors, guest exit codes left out."""

ERRORS_BY_REASON: Final = Metric(
    "l2_errors_by_reason_total",
    MetricType.COUNTER,
    "Items, jobs and requests that ended with an error, by kind of reason.",
    "with l2_errors_total",
    labels=(("reason", ERROR_CLASSES),),
)
"""What the errors were."""

RECEIPTS_REFUSED: Final = Metric(
    "l2_receipts_refused_total",
    MetricType.COUNTER,
    "Receipts and cache entries refused, by where and by the row of the checks.",
    "a receipt was refused",
    labels=(("stage", ("cache", "verify", "aggregate", "settle")), ("class", REFUSAL_CLASSES)),
)
"""Refused receipts."""

CACHE_SIZE: Final = Metric(
    "l2_cache_size_bytes",
    MetricType.GAUGE,
    "Bytes of the receipt cache, by layer.",
    "the cache changed",
    unit="bytes",
    labels=(("layer", tuple(str(layer) for layer in Layer)),),
    merge=Merge.MAX,
)
"""Bytes held."""

WORKERS_ACTIVE: Final = Metric(
    "l2_parallel_workers_active",
    MetricType.GAUGE,
    "Workers that have a job.",
    "a worker took or ended a job",
    merge=Merge.SUM,
    start=0.0,
)
"""Busy workers."""

WORKERS_MAX: Final = Metric(
    "l2_workers_max",
    MetricType.GAUGE,
    "Workers of the pool.",
    "the pool started or was resized",
)
"""All workers."""

WORKER_RESTARTS: Final = Metric(
    "l2_worker_restarts_total",
    MetricType.COUNTER,
    "Workers that died and were replaced.",
    "a worker died and was replaced",
)
"""Deaths of workers."""

QUEUE_LENGTH: Final = Metric(
    "l2_queue_length",
    MetricType.GAUGE,
    "Jobs accepted and not started.",
    "the queue changed",
    start=0.0,
)
"""Jobs that wait."""

QUEUE_OLDEST_AGE: Final = Metric(
    "l2_queue_oldest_age_seconds",
    MetricType.GAUGE,
    "Age of the oldest job that waits; 0 when none does.",
    "every second",
    unit="seconds",
    start=0.0,
)
"""How long the oldest job waits."""

ESTIMATED_TPS: Final = Metric(
    "l2_estimated_tps",
    MetricType.GAUGE,
    "The decider's estimate for its last batch, by the source documents' formula: a rate of checks, no throughput.",
    "the decider decided about a batch",
)
"""An estimate, and named so (EX-605)."""

ESTIMATED_GAS_SAVINGS: Final = Metric(
    "l2_estimated_gas_savings_percent",
    MetricType.GAUGE,
    "The decider's estimate for its last batch, by the source documents' formula: nothing was settled.",
    "the decider decided about a batch",
    unit="percent",
)
"""An estimate, and named so."""

METRICS: Final = (
    GUEST_CYCLES,
    RECEIPTS,
    ERRORS,
    ERRORS_BY_REASON,
    RECEIPTS_REFUSED,
    CACHE_SIZE,
    WORKERS_ACTIVE,
    WORKERS_MAX,
    WORKER_RESTARTS,
    QUEUE_LENGTH,
    QUEUE_OLDEST_AGE,
    ESTIMATED_TPS,
    ESTIMATED_GAS_SAVINGS,
)
"""Every family that step 1 can set: what needs a proof is absent until there is one."""
