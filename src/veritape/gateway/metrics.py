"""The gateway's metrics (TL-250) and how a finished request moves them. No account, key or address is ever a label."""

from collections.abc import Callable
from typing import Final, Protocol

from veritape.gateway.activity import ACTIVITY_METRICS
from veritape.gateway.closed_labels import known_value
from veritape.gateway.process_metrics import DECISION_SECONDS, OVERHEAD_SECONDS, PROCESS_METRICS
from veritape.gateway.quota import MU, Mode
from veritape.gateway.reasons import Reason
from veritape.gateway.store_metrics import STORE_METRICS
from veritape.gateway.upstream_metrics import UPSTREAM_METRICS
from veritape.gateway.usage_metrics import USAGE_METRICS
from veritape.telemetry.metric import B2, OTHER, Metric, MetricType
from veritape.telemetry.registry import Registry

ROUTES: Final = (
    "self", "fp_health", "trades", "bars", "completeness", "receipts", "receipt", "verify", "compare", "batch", "identify",
    OTHER, "builtin", "none",
)  # fmt: skip
"""Route names of the shipped policy, and what has none."""

TIERS: Final = ("free", "pro", "enterprise", "partner", "anonymous", OTHER)
"""Tiers of the shipped policy; address classes are anonymous."""

OUTCOMES: Final = (
    "allowed", "minute", "hour", "month", "concurrency", "fingerprint", "cost", "closed", "overload",
)  # fmt: skip
"""What a decision said: admitted, the limit that denied, or why the quota could not be asked or was cut."""

CLASSES: Final = ("2xx", "3xx", "4xx", "429", "5xx")
"""Status classes; 429 stands alone."""

_TOO_MANY: Final = 429
_MICROSECONDS: Final = 1_000_000


def _counter(name: str, text: str, event: str, *labels: tuple[str, tuple[str, ...]]) -> Metric:
    return Metric(name, MetricType.COUNTER, text, event, labels=labels)


REQUESTS: Final = _counter("rate_limiter_requests_total", "Quota decisions.", "a decision was made")
REJECTED: Final = _counter(
    "rate_limiter_requests_rejected_total", "Refusing decisions.", "a decision was a refusal"
)
TIER_REQUESTS: Final = _counter(
    "rate_limiter_tier_requests_total", "Quota decisions by tier.", "a decision was made", ("tier", TIERS)
)
TIER_REJECTED: Final = _counter(
    "rate_limiter_tier_rejected_total", "Refusals by tier.", "a decision was a refusal", ("tier", TIERS)
)
DECISIONS: Final = _counter(
    "gateway_decisions_total", "Quota decisions by tier, outcome and mode.", "a decision was made",
    ("tier", TIERS), ("outcome", OUTCOMES), ("mode", tuple(mode.value for mode in Mode)),
)  # fmt: skip
UNITS: Final = Metric(
    "gateway_units_total", MetricType.COUNTER, "Units of quota charged and given back.", "units were charged or given back",
    unit="units of quota", labels=(("event", ("charged", "refunded")),),
)  # fmt: skip
PROBLEMS: Final = _counter(
    "gateway_problems_total", "Problem answers by reason.", "a problem answer of our own began",
    ("reason", tuple(reason.value for reason in Reason)),
)  # fmt: skip
HTTP_REQUESTS: Final = _counter(
    "gateway_http_requests_total", "Answered requests by route and status class.", "a response ended",
    ("route", ROUTES), ("class", CLASSES),
)  # fmt: skip
HTTP_SECONDS: Final = Metric(
    "gateway_http_request_duration_seconds", MetricType.HISTOGRAM, "Time from a request to the end of its answer.",
    "a response ended", unit="seconds", labels=(("route", ROUTES),), buckets=B2,
)  # fmt: skip
CACHE_HITS: Final = _counter(
    "rate_limiter_cache_hits_total", "Credentials that the worker remembered.", "a credential was looked up"
)
CACHE_MISSES: Final = _counter(
    "rate_limiter_cache_misses_total",
    "Credentials that had to be looked up or verified.",
    "a credential was looked up",
)

METRICS: Final = (
    REQUESTS, REJECTED, TIER_REQUESTS, TIER_REJECTED, DECISIONS, UNITS, PROBLEMS, HTTP_REQUESTS, HTTP_SECONDS,
    CACHE_HITS, CACHE_MISSES, *USAGE_METRICS, *PROCESS_METRICS, *ACTIVITY_METRICS, *STORE_METRICS,
    *UPSTREAM_METRICS,
)  # fmt: skip
"""Families of a gateway process, in vector order."""


class Decided(Protocol):
    """What the figures need of a question to the quota."""

    @property
    def tier(self) -> str:
        """Tier or address class, empty before identity."""
        ...

    @property
    def anonymous(self) -> bool:
        """The caller had no credential."""
        ...

    @property
    def outcome(self) -> str:
        """What the quota decided; empty when it was not asked."""
        ...

    @property
    def mode(self) -> str:
        """Where the decision came from; empty when it was not asked for."""
        ...

    @property
    def charged_mu(self) -> int:
        """Units charged."""
        ...

    @property
    def decision_us(self) -> int:
        """Time of the decision."""
        ...

    @property
    def store(self) -> str:
        """What answered the decision: memory, redis or lease."""
        ...


class Finished(Decided, Protocol):
    """What the figures need of a finished request."""

    @property
    def route(self) -> str:
        """Route name, ``builtin``, ``console`` or ``none``."""
        ...

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def reason(self) -> str:
        """Reason of a problem answer, else empty."""
        ...

    @property
    def refunded_mu(self) -> int:
        """Units given back."""
        ...

    @property
    def duration_us(self) -> int:
        """Time of the request."""
        ...

    @property
    def upstream_us(self) -> int:
        """Of that, the route's own."""
        ...


class RequestFigures:
    """Moves every figure that a finished request moves; its series are looked up when they are needed first, then kept."""

    def __init__(self, registry: Registry) -> None:
        self._registry, self._decisions = registry, DecisionFigures(registry)
        self._values = registry.values
        self._answers: dict[tuple[str, int], tuple[int, Callable[[float], None]]] = {}
        """Route and status -> slot of the count, observer of the time."""
        self._overhead = registry.observer(OVERHEAD_SECONDS)
        self._refunded = registry.index(UNITS, event="refunded")

    def note(self, request: Finished) -> None:
        """Take a finished request."""
        key = request.route, request.status
        slot, seconds = self._answers.get(key) or self._answer_series(*key)
        values, duration_us = self._values, request.duration_us
        values[slot] += 1
        seconds(duration_us / _MICROSECONDS)
        own_us = duration_us - request.upstream_us
        self._overhead(own_us / _MICROSECONDS if own_us > 0 else 0.0)
        if request.reason:
            self._registry.add(PROBLEMS, reason=request.reason)
        self._decisions.note(request)
        if refunded_mu := request.refunded_mu:
            values[self._refunded] += refunded_mu / MU

    def _answer_series(self, name: str, status: int) -> tuple[int, Callable[[float], None]]:
        place = "builtin" if name == "console" else name
        route = known_value(self._registry, HTTP_SECONDS, "route", place)
        shown = "429" if status == _TOO_MANY else f"{status // 100}xx"
        slot = self._registry.index(HTTP_REQUESTS, **{"route": route, "class": shown})
        made = self._answers[name, status] = slot, self._registry.observer(HTTP_SECONDS, route=route)
        return made


class DecisionFigures:
    """Moves every figure that a decision moves, of a request here or of a question from outside; none at cost 0 (GW-145)."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._charged = registry.index(UNITS, event="charged")
        self._series: dict[tuple[str, str, str, str], tuple[tuple[int, ...], Callable[[float], None]]] = {}
        """Tier, outcome, mode and store -> slots of the counts, observer of the time."""

    def note(self, decided: Decided) -> None:
        """Take a decision."""
        values = self._registry.values
        values[self._charged] += decided.charged_mu / MU
        if not decided.outcome:
            return
        tier = "anonymous" if decided.anonymous else decided.tier
        key = tier, decided.outcome, decided.mode, decided.store
        slots, seconds = self._series.get(key) or self._decision_series(*key)
        seconds(decided.decision_us / _MICROSECONDS)
        for slot in slots:
            values[slot] += 1

    def _decision_series(
        self, name: str, outcome: str, mode: str, store: str
    ) -> tuple[tuple[int, ...], Callable[[float], None]]:
        registry = self._registry
        tier = known_value(registry, TIER_REQUESTS, "tier", name)
        decision = registry.index(DECISIONS, tier=tier, outcome=outcome, mode=mode or Mode.LOCAL)
        slots: tuple[int, ...] = (
            registry.index(REQUESTS),
            registry.index(TIER_REQUESTS, tier=tier),
            decision,
        )
        if outcome != "allowed":
            slots += (registry.index(REJECTED), registry.index(TIER_REJECTED, tier=tier))
        seconds = registry.observer(DECISION_SECONDS, store=store or "memory")
        made = self._series[name, outcome, mode, store] = slots, seconds
        return made


class LookUpFigures:
    """Counts whether credentials were in the worker's memory."""

    def __init__(self, registry: Registry) -> None:
        self._values = registry.values
        self._hits, self._misses = registry.index(CACHE_HITS), registry.index(CACHE_MISSES)

    def note(self, is_remembered: bool) -> None:
        """Take a look-up."""
        self._values[self._hits if is_remembered else self._misses] += 1
