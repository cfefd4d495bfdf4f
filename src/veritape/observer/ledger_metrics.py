"""Families of journal, ledger and gaps (TL-210, TL-220), set by ``adapters/ledger_instruments.py``."""

from typing import Final

from veritape.observer.gaps import Cause
from veritape.observer.severity import Severity
from veritape.telemetry import B1, Metric, MetricType

SYNC_SECONDS: Final = Metric(
    "observer_journal_fsync_duration_seconds",
    MetricType.HISTOGRAM,
    "Time that fdatasync took.",
    "fdatasync returned",
    unit="seconds",
    buckets=B1,
)
COMMIT_SECONDS: Final = Metric(
    "observer_journal_commit_latency_seconds",
    MetricType.HISTOGRAM,
    "Time from the oldest frame of a group received to the group durable.",
    "a group of frames is durable",
    unit="seconds",
    buckets=B1,
)
JOURNAL_LAG: Final = Metric(
    "observer_journal_lag_seconds",
    MetricType.GAUGE,
    "Age of the oldest frame that is not durable, 0 when there is none.",
    "each second",
    unit="seconds",
    start=0,
)
JOURNAL_ERRORS: Final = Metric(
    "observer_journal_errors_total",
    MetricType.COUNTER,
    "Calls of the journal that the operating system refused.",
    "the operating system refused",
    labels=(("operation", ("write", "fsync", "rotate", "read")),),
)
SEAL_LAG: Final = Metric(
    "observer_segment_seal_lag_seconds",
    MetricType.GAUGE,
    "Time since the oldest seal that is not done was due, 0 when none is.",
    "each second",
    unit="seconds",
    start=0,
)
QUEUE_REFUSED: Final = Metric(
    "observer_queue_refused_total",
    MetricType.COUNTER,
    "Items that a bounded queue refused; frames are never refused: counted is each time that the socket was not read.",
    "a bounded queue refused an item",
    labels=(("queue", ("frames", "pacing", "backfill")),),
)
MARKET_SHARES: Final = Metric(
    "observer_market_shares_total",
    MetricType.COUNTER,
    "Shares by which the venue's volume of watched lines advanced.",
    "each second",
)
RECORDED_SHARES: Final = Metric(
    "observer_recorded_shares_total",
    MetricType.COUNTER,
    "Shares of recorded trades, each after the commit that made it durable.",
    "each second",
)
MISSING_SHARES: Final = Metric(
    "observer_missing_shares_total",
    MetricType.COUNTER,
    "Shares missing live, before backfill.",
    "each second: a hole was found",
)
LEDGER_TRADES: Final = Metric(
    "observer_ledger_trades",
    MetricType.GAUGE,
    "Trades of the present session day: recorded, fetched afterwards, still missing.",
    "the ledger of the day was looked at, every 10 seconds",
    labels=(("state", ("recorded", "backfilled", "residual")),),
    start=0,
)
GAPS_DETECTED: Final = Metric(
    "observer_gaps_detected_total",
    MetricType.COUNTER,
    "Gaps that were opened: closed as low or medium, high, or still open below high.",
    "a gap was seen first, looked for every 10 seconds and at the day's end",
)
GAPS_LOW: Final = Metric(
    "observer_gaps_low_total",
    MetricType.COUNTER,
    "Gaps closed as low.",
    "a gap was closed with that severity",
)
GAPS_MEDIUM: Final = Metric(
    "observer_gaps_medium_total",
    MetricType.COUNTER,
    "Gaps closed as medium.",
    "a gap was closed with that severity",
)
GAPS_HIGH: Final = Metric(
    "observer_gaps_high_total",
    MetricType.COUNTER,
    "Gaps that reached high, open or not.",
    "a gap reached high",
)
GAPS: Final = Metric(
    "observer_gaps_total",
    MetricType.COUNTER,
    "Gaps that were closed, by cause.",
    "a gap was closed",
    labels=(("cause", tuple(cause.value for cause in Cause)),),
)
OPEN_GAPS: Final = Metric(
    "observer_open_gaps",
    MetricType.GAUGE,
    "Gaps that are open, by severity.",
    "gaps were looked for, every 10 seconds",
    labels=(("severity", tuple(severity.value for severity in Severity)),),
    start=0,
)
GAP_SECONDS: Final = Metric(
    "observer_gap_detection_duration_seconds",
    MetricType.HISTOGRAM,
    "Time from the frame behind a gap received to its record durable.",
    "a frame that opened a gap is durable",
    unit="seconds",
    buckets=B1,
)
CLOCK_OFFSET: Final = Metric(
    "observer_clock_offset_seconds",
    MetricType.GAUGE,
    "Median of receipt minus venue time of the last 200 trades; not known below 20.",
    "every 10 seconds",
    unit="seconds",
)

LEDGER: Final = (
    SYNC_SECONDS, COMMIT_SECONDS, JOURNAL_LAG, JOURNAL_ERRORS, SEAL_LAG, QUEUE_REFUSED, MARKET_SHARES, RECORDED_SHARES,
    MISSING_SHARES, LEDGER_TRADES, GAPS_DETECTED, GAPS_LOW, GAPS_MEDIUM, GAPS_HIGH, GAPS, OPEN_GAPS, GAP_SECONDS,
    CLOCK_OFFSET,
)  # fmt: skip
"""Every family of this module."""
