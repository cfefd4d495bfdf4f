"""What the recorder tells of itself (TL-210, TL-220), as far as it is built: every family here is set by live code."""

from typing import Final

from veritape.observer.binance.messages import MessageReason
from veritape.observer.decisions import Decision
from veritape.observer.flow_metrics import FLOW
from veritape.observer.frames import FrameReason
from veritape.observer.ledger_metrics import LEDGER
from veritape.observer.slots import SlotState
from veritape.observer.track_a import MissingReason
from veritape.observer.triggers import Trigger
from veritape.telemetry import B3, Metric, MetricType

CYCLE_OUTCOMES: Final = ("complete", "partial", "failed", "skipped")
"""How a sweep of the grid ended: every symbol, some, none of those asked for; never begun."""

ACKNOWLEDGEMENTS: Final = (
    "OPSP0000", "OPSP0001", "OPSP0002", "OPSP0003", "OPSP0008", "OPSP0011", "OPSP8996", "OPSP8991", "OPSP8992", "other",
)  # fmt: skip
"""Codes of acknowledgements that have a series of their own."""

UNIVERSE_SIZE: Final = Metric(
    "observer_universe_size",
    MetricType.GAUGE,
    "Symbols of the universe in force.",
    "a universe file came into force",
)
UNIVERSE_CREATED: Final = Metric(
    "observer_universe_created_total",
    MetricType.COUNTER,
    "Symbols that a universe in force had and its predecessor had not; the first ever counts none.",
    "a universe came into force",
)
UNIVERSE_DELETED: Final = Metric(
    "observer_universe_deleted_total",
    MetricType.COUNTER,
    "Symbols that a universe's predecessor had and it had not.",
    "a universe came into force",
)
UNIVERSE_PREVIOUS: Final = Metric(
    "observer_universe_previous_size",
    MetricType.GAUGE,
    "Symbols of the universe in force before the newest list.",
    "a universe was built, accepted or not",
)
UNIVERSE_CANDIDATE: Final = Metric(
    "observer_universe_candidate_size",
    MetricType.GAUGE,
    "Symbols of the newest list, accepted or not.",
    "a universe was built, accepted or not",
)
SNAPSHOTS: Final = Metric(
    "observer_track_a_snapshots_total",
    MetricType.COUNTER,
    "Symbols of sweeps with a durable row.",
    "a row of a sweep is durable",
)
SWEEP_SECONDS: Final = Metric(
    "observer_track_a_collection_duration_seconds",
    MetricType.HISTOGRAM,
    "Time from a sweep's first request due to its last row durable.",
    "a sweep ended",
    unit="seconds",
    buckets=B3,
)
CYCLES: Final = Metric(
    "observer_track_a_cycles_total",
    MetricType.COUNTER,
    "Sweeps of the grid by how they ended.",
    "a grid slot of the sweep ended",
    labels=(("outcome", CYCLE_OUTCOMES),),
)
SWEEP_EXPECTED: Final = Metric(
    "observer_track_a_expected_total",
    MetricType.COUNTER,
    "Symbols that sweeps were due to bring.",
    "a sweep ended or was skipped",
)
SWEEP_MISSING: Final = Metric(
    "observer_track_a_missing_total",
    MetricType.COUNTER,
    "Symbols that sweeps did not bring, by reason.",
    "a sweep ended or was skipped",
    labels=(("reason", tuple(reason.value for reason in MissingReason)),),
)
INTERVAL: Final = Metric(
    "observer_track_a_interval_seconds",
    MetricType.GAUGE,
    "Seconds between two sweeps of the grid.",
    "the process started",
    unit="seconds",
)
SLOT_LIMIT: Final = Metric(
    "observer_track_b_slots_total",
    MetricType.GAUGE,
    "Registrations in use as a limit.",
    "a session started or a limit was learned",
)
SLOTS_ALLOCATED: Final = Metric(
    "observer_track_b_slots_allocated",
    MetricType.GAUGE,
    "Slots with an acknowledged subscription.",
    "the slot table changed",
    start=0,
)
SUBSCRIPTIONS: Final = Metric(
    "observer_websocket_subscriptions",
    MetricType.GAUGE,
    "Slots by state.",
    "a slot's state changed",
    labels=(("state", tuple(state.value for state in SlotState if state is not SlotState.FREE)),),
    start=0,
)
TRIGGERS_FIRED: Final = Metric(
    "observer_track_b_triggers_total",
    MetricType.COUNTER,
    "Triggers that made a candidate for a slot.",
    "a trigger made a candidate",
)
TRIGGERS: Final = Metric(
    "observer_triggers_total",
    MetricType.COUNTER,
    "Triggers that made a candidate for a slot, by kind.",
    "a trigger made a candidate",
    labels=(("kind", tuple(trigger.value for trigger in Trigger)),),
)
SLOT_EVENTS: Final = Metric(
    "observer_slot_events_total",
    MetricType.COUNTER,
    "Decisions on slots.",
    "an evaluation decided on a code",
    labels=(("event", tuple(decision.value for decision in Decision)),),
)
COLLECTION_SPEED: Final = Metric(
    "observer_track_b_collection_speed",
    MetricType.GAUGE,
    "Durable trades a second over the last ten seconds.",
    "each second",
    start=0,
)
CONNECTED: Final = Metric(
    "observer_websocket_connected",
    MetricType.GAUGE,
    "Whether the WebSocket is open.",
    "a connection was opened or closed",
    start=0,
)
ACKNOWLEDGED: Final = Metric(
    "observer_websocket_acknowledgements_total",
    MetricType.COUNTER,
    "Acknowledgements of the broker by code.",
    "an acknowledgement was read",
    labels=(("code", ACKNOWLEDGEMENTS),),
)
PARSE_ERRORS: Final = Metric(
    "observer_parse_errors_total",
    MetricType.COUNTER,
    "Frames that were quarantined, by reason.",
    "a frame was quarantined",
    labels=(("reason", tuple(dict.fromkeys(reason.value for reason in (*FrameReason, *MessageReason)))),),
)
TOKEN_VALIDITY: Final = Metric(
    "observer_token_validity_seconds",
    MetricType.GAUGE,
    "Seconds until the token expires, negative afterwards.",
    "each second",
    unit="seconds",
)
TRADES_RECORDED: Final = Metric(
    "observer_trades_recorded_total",
    MetricType.COUNTER,
    "Trades recorded, each after the commit that made it durable.",
    "a trade is durable",
    labels=(("venue", ("krx", "nxt", "un", "binance")),),
)
API_REQUESTS: Final = Metric(
    "observer_api_requests_total",
    MetricType.COUNTER,
    "Attempts of REST calls that ended.",
    "an attempt ended: response, timeout or transport error",
)
API_ERRORS: Final = Metric(
    "observer_api_errors_total",
    MetricType.COUNTER,
    "Attempts of REST calls that failed.",
    "an attempt failed",
)
PERMITS: Final = Metric(
    "observer_rate_limit_tokens_total",
    MetricType.COUNTER,
    "Requests that passed the limiter.",
    "a request passed the limiter",
)
RATE_LIMIT: Final = Metric(
    "observer_rate_limit_per_second",
    MetricType.GAUGE,
    "Requests of a sliding second that are allowed.",
    "the process started",
)
JOURNAL_BYTES: Final = Metric(
    "observer_journal_bytes_total",
    MetricType.COUNTER,
    "Bytes of the journal that are durable.",
    "a group of frames is durable",
    unit="bytes",
)
BACKUP_TIME: Final = Metric(
    "observer_backup_last_success_timestamp_seconds",
    MetricType.GAUGE,
    "When the last backup of every day was complete; before the first one, since when there is a target.",
    "each second",
    unit="seconds",
)
DRILL_TIME: Final = Metric(
    "observer_backup_last_verified_restore_timestamp_seconds",
    MetricType.GAUGE,
    "When the last restore drill passed; before the first one, since when there is a target.",
    "each second",
    unit="seconds",
)
UPTIME: Final = Metric(
    "observer_system_uptime_seconds",
    MetricType.GAUGE,
    "Seconds since the process started.",
    "each second",
    unit="seconds",
)

METRICS: Final = (
    UNIVERSE_SIZE, UNIVERSE_CREATED, UNIVERSE_DELETED, UNIVERSE_PREVIOUS, UNIVERSE_CANDIDATE, SNAPSHOTS, SWEEP_SECONDS, CYCLES, SWEEP_EXPECTED, SWEEP_MISSING, INTERVAL, SLOT_LIMIT, SLOTS_ALLOCATED,
    SUBSCRIPTIONS, TRIGGERS_FIRED, TRIGGERS, SLOT_EVENTS, COLLECTION_SPEED, CONNECTED, ACKNOWLEDGED, PARSE_ERRORS, TOKEN_VALIDITY, TRADES_RECORDED,
    API_REQUESTS, API_ERRORS, PERMITS, RATE_LIMIT, JOURNAL_BYTES, BACKUP_TIME, DRILL_TIME, UPTIME, *LEDGER, *FLOW,
)  # fmt: skip
"""Every family of the recorder."""


def cycle_outcome(expected: int, received: int, calls: int) -> str:
    """Return how a sweep ended."""
    if received == expected:
        return "complete"
    if not calls:
        return "skipped"
    return "partial" if received else "failed"
