"""Metrics of the executor: only what its code sets (telemetry specification, L2 tables)."""

from typing import Final

from veritape.telemetry.metric import Labels, Metric, MetricType

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

METRICS: Final = (GUEST_CYCLES, RECEIPTS, ERRORS)
"""Every family of the executor."""
