"""Keep the metrics of sessions, calls, token, sweeps and connection (TL-210, TL-220)."""

from veritape.kernel.clock import NANOSECONDS
from veritape.observer import flow_metrics as metrics
from veritape.observer.adapters.broker_rest import BrokerRest, Exchange
from veritape.observer.adapters.recording_day import RecordingDay
from veritape.observer.lanes import Lane
from veritape.observer.recorder import kst
from veritape.observer.settings import RecordSettings
from veritape.telemetry import Metric, Registry

HOUR_S = 3_600
"""How long before the open a token is required."""

FRESH = "fresh"
"""Provenance of a universe that was made for its day."""

CHUNK = 30
"""Symbols of one call of a sweep."""


class FlowInstruments:
    """Writes one registry; belongs to the event loop's thread."""

    def __init__(self, registry: Registry, settings: RecordSettings, wall_ns: int) -> None:
        self._registry = registry
        self._settings = settings
        self._seconds = registry.observer(metrics.API_SECONDS)
        self._delayed = registry.observer(metrics.DELAY_SECONDS)
        self._day: RecordingDay | None = None
        self._seen: dict[tuple[str, ...], float] = {}
        for metric in (metrics.LAST_SNAPSHOT, metrics.LAST_FRAME, metrics.LAST_RESPONSE):
            registry.set(metric, wall_ns / NANOSECONDS)
        registry.set(metrics.TOKEN_MARGIN, settings.token.refresh_margin_minutes * 60)

    def exchanged(self, exchange: Exchange) -> None:
        """Note an attempt of a REST call that ended."""
        self._seconds(exchange.seconds)
        cause = metrics.response_cause(exchange.code, exchange.reason, answered=exchange.answered)
        self._registry.add(metrics.API_RESPONSES, code=cause)
        if exchange.answered:
            self._registry.set(metrics.LAST_RESPONSE, exchange.ended_ns / NANOSECONDS)

    def waited(self, lane: Lane, waited_ns: int) -> None:
        """Note a wait for a permit; backfill and bulk may wait for minutes and do not count."""
        if waited_ns and lane < Lane.BACKFILL:
            self._registry.add(metrics.DELAYS)
            self._delayed(waited_ns / NANOSECONDS)

    def measure(self, day: RecordingDay | None, rest: BrokerRest, wall_ns: int) -> None:
        """Read the live state: once a second."""
        registry = self._registry
        registry.set(metrics.API_PENDING, rest.pending)
        for outcome in metrics.TOKEN_OUTCOMES:
            self._rise(metrics.TOKEN_ATTEMPTS, rest.keeper.outcomes[outcome], outcome=outcome)
        self._rise(metrics.TOKEN_REFRESHES, rest.keeper.outcomes["issued"])
        if day is not None:
            self._measure_day(day, wall_ns)

    def _measure_day(self, day: RecordingDay, wall_ns: int) -> None:
        if day is not self._day:
            self._day = day
            by_day = {metrics.CONNECT_ATTEMPTS.name, metrics.FRAMES.name}
            self._seen = {key: seen for key, seen in self._seen.items() if key[0] not in by_day}
        registry, stream, (_, second) = self._registry, day.stream, kst(wall_ns)
        hours = day.hours
        inside = hours is not None and hours.open_s <= second <= hours.close_s
        near = hours is not None and hours.open_s - HOUR_S <= second <= hours.close_s
        is_swept = self._settings.track_a.enabled and bool(day.codes)
        registry.set(metrics.SESSION_OPEN, float(inside and is_swept), track="a")
        registry.set(metrics.SESSION_OPEN, float(inside), track="b")
        registry.set(metrics.TOKEN_REQUIRED, float(near))
        if day.codes:
            calls = -(-len(day.codes) // CHUNK)
            registry.set(metrics.BUDGET, 1 + 2 * calls / self._settings.pacing.requests_per_second)
        if day.universe is not None:
            registry.set(metrics.UNIVERSE_STALE, float(day.universe["provenance"] != FRESH))
        for manifest in day.manifests[-1:]:
            if manifest["received"]:
                registry.set(metrics.LAST_SNAPSHOT, manifest["ended_ns"] / NANOSECONDS)
        for outcome in metrics.CONNECTS:
            self._rise(metrics.CONNECT_ATTEMPTS, stream.connects[outcome], outcome=outcome)
        for kind in metrics.FRAME_KINDS:
            self._rise(metrics.FRAMES, stream.kinds[kind], kind=kind)
        if stream.last_frame_ns:
            registry.set(metrics.LAST_FRAME, stream.last_frame_ns / NANOSECONDS)

    def _rise(self, metric: Metric, count: float, **labels: str) -> None:
        key = (metric.name, *labels.values())
        self._registry.add(metric, count - self._seen.get(key, 0), **labels)
        self._seen[key] = count
