"""Figures of the way from a charge to the ledger (TL-250), and what moves them."""

from enum import StrEnum
from typing import Final

from veritape.telemetry.metric import B1, Merge, Metric, MetricType
from veritape.telemetry.registry import Registry


class LetThrough(StrEnum):
    """What the rate-limit service for Envoy lets through undecided (GW-611): values of ``gateway_rare_events_total``."""

    DOMAIN = "unknown_domain"
    """A call of a domain that is not ours."""
    ROUTE = "unknown_route"
    """A descriptor of a route that the policy lacks."""
    CALLER = "unknown_caller"
    """A descriptor without a key, an account or an address."""
    ERROR = "undecided_call"
    """A call that a bug of ours ended."""


RARE: Final = ("clock_step", "clock_rebased", "subjects_evicted", "outbox_bad", "worker_restarted")
"""What happens to a gateway and should not happen often."""

COMMIT_SECONDS: Final = Metric(
    "gateway_outbox_commit_seconds", MetricType.HISTOGRAM, "Time of a group commit of charges.",
    "a group commit of the outbox ended", unit="seconds", buckets=B1,
)  # fmt: skip
LEDGER_LAG: Final = Metric(
    "gateway_ledger_lag_seconds", MetricType.GAUGE, "Age of the oldest durable event that is not in the ledger.",
    "each second", unit="seconds", merge=Merge.MAX,
)  # fmt: skip
LEDGER_EVENTS: Final = Metric(
    "gateway_ledger_events_total", MetricType.COUNTER, "Usage events by how far they came.", "an event reached that point",
    labels=(("result", ("written", "drained", "duplicate", "lost")),),
)  # fmt: skip
LEDGER_DIFFERENCE: Final = Metric(
    "gateway_ledger_difference_units", MetricType.GAUGE, "Absolute difference of the ledger and the counters.",
    "a reconciliation of the drainer ended", unit="units of quota", merge=Merge.MAX,
)  # fmt: skip
STORAGE_ERRORS: Final = Metric(
    "rate_limiter_quota_storage_errors_total", MetricType.COUNTER, "Writes of quota or usage that failed.",
    "a write to the counter store, outbox or ledger failed after its retry",
)  # fmt: skip
RARE_EVENTS: Final = Metric(
    "gateway_rare_events_total", MetricType.COUNTER, "What should be rare.", "it happened",
    labels=(("event", (*RARE, *LetThrough)),),
)  # fmt: skip

USAGE_METRICS: Final = (
    COMMIT_SECONDS, LEDGER_LAG, LEDGER_EVENTS, LEDGER_DIFFERENCE, STORAGE_ERRORS, RARE_EVENTS,
)  # fmt: skip
"""Families of usage, in vector order."""


def note_commit(
    registry: Registry, events: int, seconds: float, *, failed: bool, served_anyway: bool
) -> None:
    """Count a commit.

    Args:
        registry: of the process.
        events: in the commit.
        seconds: that it took.
        failed: they are nowhere.
        served_anyway: their requests were answered all the same, so the events are lost.
    """
    registry.observe(COMMIT_SECONDS, seconds)
    if not failed:
        registry.add(LEDGER_EVENTS, events, result="written")
        return
    registry.add(STORAGE_ERRORS)
    if served_anyway:
        registry.add(LEDGER_EVENTS, events, result="lost")


def note_drained(registry: Registry, drained: int, duplicates: int, bad_files: int, *, failed: bool) -> None:
    """Count what a pass of the drainer did."""
    registry.add(LEDGER_EVENTS, drained, result="drained")
    registry.add(LEDGER_EVENTS, duplicates, result="duplicate")
    registry.add(RARE_EVENTS, bad_files, event="outbox_bad")
    registry.add(STORAGE_ERRORS, float(failed))
