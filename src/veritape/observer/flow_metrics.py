"""Families of sessions, calls, token, sweeps and connection (TL-210, TL-220), set by ``adapters/flow_instruments.py``."""

from typing import Final

from veritape.telemetry import B2, B3, Metric, MetricType

RESPONSES: Final = (
    "ok", "EGW00201", "EGW00123", "EGW00121", "EGW00122", "EGW00133", "EGW00103", "EGW00105", "EGW0030x", "timeout",
    "transport", "other",
)  # fmt: skip
"""Causes of the broker's answers that have a series of their own."""

CONNECTS: Final = ("ok", "refused", "timeout", "error")
"""How an attempt to open the WebSocket ended."""

FRAME_KINDS: Final = ("trade", "book", "expected", "status", "control", "unknown")
"""Kinds of WebSocket messages."""

TOKEN_OUTCOMES: Final = ("issued", "reused", "refused", "error")
"""How an attempt for a token ended."""

SESSION_OPEN: Final = Metric(
    "observer_session_open",
    MetricType.GAUGE,
    "Whether a track's session of today is open, by the calendar and the venue's clock.",
    "each second",
    labels=(("track", ("a", "b")),),
    start=0,
)
UNIVERSE_STALE: Final = Metric(
    "observer_universe_stale",
    MetricType.GAUGE,
    "Whether the universe in force is not of the present session day.",
    "each second",
)
LAST_SNAPSHOT: Final = Metric(
    "observer_track_a_last_snapshot_timestamp_seconds",
    MetricType.GAUGE,
    "When a row of a sweep was last durable; before the first, when the process started.",
    "a sweep ended",
    unit="seconds",
)
BUDGET: Final = Metric(
    "observer_track_a_budget_seconds",
    MetricType.GAUGE,
    "Time that a sweep of the universe may take at the present rate.",
    "each second: 1 + 2 x ceil(universe / 30) / rate",
    unit="seconds",
)
CONNECT_ATTEMPTS: Final = Metric(
    "observer_websocket_connects_total",
    MetricType.COUNTER,
    "Attempts to open the WebSocket by how they ended.",
    "an attempt ended",
    labels=(("outcome", CONNECTS),),
)
LAST_FRAME: Final = Metric(
    "observer_websocket_last_frame_timestamp_seconds",
    MetricType.GAUGE,
    "When the last message of the WebSocket arrived, heartbeats included; before the first, when the process started.",
    "each second",
    unit="seconds",
)
FRAMES: Final = Metric(
    "observer_websocket_frames_total",
    MetricType.COUNTER,
    "Messages of the WebSocket that are in the journal's buffer, by kind.",
    "each second",
    labels=(("kind", FRAME_KINDS),),
)
API_SECONDS: Final = Metric(
    "observer_api_request_duration_seconds",
    MetricType.HISTOGRAM,
    "Time from an attempt of a REST call sent to its end, without the wait for a permit.",
    "an attempt ended",
    unit="seconds",
    buckets=B2,
)
API_RESPONSES: Final = Metric(
    "observer_broker_responses_total",
    MetricType.COUNTER,
    "Attempts of REST calls by what came of them.",
    "an attempt ended",
    labels=(("code", RESPONSES),),
)
API_PENDING: Final = Metric(
    "observer_api_requests_pending",
    MetricType.GAUGE,
    "REST calls that wait for a permit or an answer.",
    "each second",
    start=0,
)
LAST_RESPONSE: Final = Metric(
    "observer_api_last_response_timestamp_seconds",
    MetricType.GAUGE,
    "When the broker last answered a REST call; before the first, when the process started.",
    "an attempt was answered",
    unit="seconds",
)
DELAYS: Final = Metric(
    "observer_rate_limit_delays_total",
    MetricType.COUNTER,
    "Requests of the lanes token, anchor, sweep, baseline and trigger that had to wait for a permit.",
    "a request passed the limiter",
)
DELAY_SECONDS: Final = Metric(
    "observer_rate_limit_delay_duration_seconds",
    MetricType.HISTOGRAM,
    "How long such requests waited.",
    "such a wait ended",
    unit="seconds",
    buckets=B3,
)
TOKEN_REFRESHES: Final = Metric(
    "observer_token_refreshes_total",
    MetricType.COUNTER,
    "Tokens issued that differ from the one held.",
    "the broker issued a token",
)
TOKEN_ATTEMPTS: Final = Metric(
    "observer_token_refresh_attempts_total",
    MetricType.COUNTER,
    "Attempts for a token by how they ended.",
    "an attempt ended",
    labels=(("outcome", TOKEN_OUTCOMES),),
)
TOKEN_MARGIN: Final = Metric(
    "observer_token_refresh_margin_seconds",
    MetricType.GAUGE,
    "Remaining life at which the token is refreshed.",
    "the process started",
    unit="seconds",
)
TOKEN_REQUIRED: Final = Metric(
    "observer_token_required",
    MetricType.GAUGE,
    "Whether a session is open or opens within an hour.",
    "each second",
    start=0,
)

FLOW: Final = (
    SESSION_OPEN, UNIVERSE_STALE, LAST_SNAPSHOT, BUDGET, CONNECT_ATTEMPTS, LAST_FRAME, FRAMES, API_SECONDS, API_RESPONSES,
    API_PENDING, LAST_RESPONSE, DELAYS, DELAY_SECONDS, TOKEN_REFRESHES, TOKEN_ATTEMPTS, TOKEN_MARGIN, TOKEN_REQUIRED,
)  # fmt: skip
"""Every family of this module."""


def response_cause(code: str, reason: str, *, answered: bool) -> str:
    """Return the label of an attempt: its code, ``ok``, or what kept it from an answer."""
    if not answered:
        return reason if reason in {"timeout", "transport"} else "other"
    if not code or code == "MCA00000":
        return "other" if reason else "ok"
    if code in RESPONSES:
        return code
    return "EGW0030x" if code.startswith("EGW0030") else "other"
