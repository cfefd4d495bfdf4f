"""Keep the recorder's metrics: trades as they become durable, everything else from live state each second.

Counts of a day's objects start at 0 with each day; here they only rise, so what such a count rose by is added.
"""

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

from veritape.kernel.clock import NANOSECONDS
from veritape.observer import metrics
from veritape.observer.adapters.backup.records import State
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.flow_instruments import FlowInstruments
from veritape.observer.adapters.ledger_instruments import LedgerInstruments
from veritape.observer.adapters.recording_day import RecordingDay
from veritape.observer.reactions import Reaction
from veritape.observer.readiness import Check, Facts, problems
from veritape.observer.recorder import Applied
from veritape.observer.session import OPEN_STATES
from veritape.observer.settings import RecordSettings
from veritape.observer.slots import SlotState
from veritape.telemetry import Metric, Registry
from veritape.telemetry.metrics import READY_CHECK

SPEED_SECONDS = 10
"""Window of the collection speed."""

BY_DAY = (metrics.ACKNOWLEDGED, metrics.TRIGGERS_FIRED, metrics.TRIGGERS, metrics.SLOT_EVENTS)
"""Metrics whose live counts begin anew with each day."""


class Instruments:
    """Writes one registry; belongs to the event loop's thread."""

    def __init__(
        self, registry: Registry, settings: RecordSettings, started_ns: int, wall_ns: int = 0
    ) -> None:
        self._registry = registry
        self._started_ns = started_ns
        self._trades = registry.index(metrics.TRADES_RECORDED, venue=settings.observer.venue.lower())
        self.ledger = LedgerInstruments(registry, settings.segments.seal_delay_seconds)
        """Journal, ledger and gaps."""
        self.flow = FlowInstruments(registry, settings, wall_ns)
        """Sessions, calls, token, sweeps and connection."""
        self._window: deque[float] = deque([0.0], maxlen=SPEED_SECONDS + 1)
        self._day: RecordingDay | None = None
        self._seen: dict[tuple[str, ...], float] = {}
        self._cycles_seen = 0
        self._universe_day = ""
        registry.set(metrics.INTERVAL, settings.track_a.interval_minutes * 60)
        registry.set(metrics.RATE_LIMIT, settings.pacing.requests_per_second)
        registry.set(metrics.SLOT_LIMIT, settings.track_b.limit)

    def applied(self, applied: Applied) -> None:
        """Count what a durable frame did."""
        self._registry.values[self._trades] += applied.recorded
        self.ledger.applied(applied)
        if applied.refusal is not None:
            self._registry.add(metrics.PARSE_ERRORS, reason=applied.refusal.reason.value)

    def checked(self, facts: Facts) -> None:
        """Show what readiness says of the facts."""
        failed = problems(facts)
        for check in Check:
            self._registry.set(READY_CHECK, float(check not in failed), check=check.value)

    def kept(self, state: State) -> None:
        """Read how the last backup and the last drill went; without a target nothing is known."""
        if state.target_ns:
            self._registry.set(metrics.BACKUP_TIME, (state.backup_ns or state.target_ns) / NANOSECONDS)
            self._registry.set(metrics.DRILL_TIME, (state.drill_ns or state.target_ns) / NANOSECONDS)

    def measure(
        self, day: RecordingDay | None, rest: BrokerRest, daybook: Daybook, wall_ns: int, real_ns: int
    ) -> None:
        """Read the live state: once a second, and once when a day or the process ends.

        Args:
            day: the day that is recorded, None before the first.
            rest: its calls and token.
            daybook: its journal.
            wall_ns: the recorder's wall clock, of which the token's expiry is a moment.
            real_ns: the machine's monotonic clock.
        """
        registry = self._registry
        registry.set(metrics.UPTIME, (real_ns - self._started_ns) / NANOSECONDS)
        self._window.append(registry.values[self._trades])
        registry.set(metrics.COLLECTION_SPEED, (self._window[-1] - self._window[0]) / SPEED_SECONDS)
        if rest.tokens.token is not None:
            registry.set(metrics.TOKEN_VALIDITY, (rest.tokens.token.expires_ns - wall_ns) / NANOSECONDS)
        attempts = sum(rest.outcomes.values())
        failed = sum(n for (_, reaction), n in rest.outcomes.items() if reaction != Reaction.OK)
        self._rise(metrics.API_REQUESTS, attempts)
        self._rise(metrics.PERMITS, attempts)
        self._rise(metrics.API_ERRORS, failed)
        self._rise(metrics.JOURNAL_BYTES, daybook.writer.watermark.bytes_written)
        if day is not None:
            self._measure_day(day)

    def _measure_day(self, day: RecordingDay) -> None:
        if day is not self._day:
            self._day, self._cycles_seen = day, 0
            counted_by_day = {metric.name for metric in BY_DAY}
            self._seen = {key: seen for key, seen in self._seen.items() if key[0] not in counted_by_day}
        if day.universes.built is not None:
            before, own = day.universes.built
            self._registry.set(metrics.UNIVERSE_PREVIOUS, math.nan if before is None else before)
            self._registry.set(metrics.UNIVERSE_CANDIDATE, own)
        if day.universe is not None:
            self._measure_universe(day.universe)
        self._measure_slots(day)
        others = 0
        for code, count in day.stream.acknowledgements.items():
            if code in metrics.ACKNOWLEDGEMENTS:
                self._rise(metrics.ACKNOWLEDGED, count, code=code)
            else:
                others += count
        self._rise(metrics.ACKNOWLEDGED, others, code="other")
        for manifest in day.manifests[self._cycles_seen :]:
            self._cycle(manifest)
        self._cycles_seen = len(day.manifests)

    def _measure_slots(self, day: RecordingDay) -> None:
        registry, slots = self._registry, day.stream.slots
        registry.set(metrics.SLOT_LIMIT, slots.codes)
        registry.set(metrics.SLOTS_ALLOCATED, len(slots.active))
        states = [slot.state for slot in slots.slots.values()]
        for state in SlotState:
            if state is not SlotState.FREE:
                registry.set(metrics.SUBSCRIPTIONS, states.count(state), state=state.value)
        registry.set(metrics.CONNECTED, float(day.stream.session.state in OPEN_STATES))
        self._rise(metrics.TRIGGERS_FIRED, day.chooser.fired.total())
        for trigger, count in day.chooser.fired.items():
            self._rise(metrics.TRIGGERS, count, kind=trigger.value)
        for decision, count in day.chooser.decided.items():
            self._rise(metrics.SLOT_EVENTS, count, event=decision.value)

    def _measure_universe(self, universe: Mapping[str, Any]) -> None:
        registry = self._registry
        registry.set(metrics.UNIVERSE_SIZE, universe["count"])
        if self._universe_day != universe["day"]:
            self._universe_day = universe["day"]
            registry.add(metrics.UNIVERSE_CREATED, len(universe["created"]))
            registry.add(metrics.UNIVERSE_DELETED, len(universe["deleted"]))

    def _cycle(self, manifest: Mapping[str, Any]) -> None:
        registry, expected, received = self._registry, manifest["expected"], manifest["received"]
        outcome = metrics.cycle_outcome(expected, received, manifest["calls"])
        registry.add(metrics.CYCLES, outcome=outcome)
        registry.add(metrics.SWEEP_EXPECTED, expected)
        registry.add(metrics.SNAPSHOTS, received)
        for reason in manifest["missing"].values():
            registry.add(metrics.SWEEP_MISSING, reason=reason)
        if outcome != "skipped":
            seconds = (manifest["ended_ns"] - manifest["started_ns"]) / NANOSECONDS
            registry.observe(metrics.SWEEP_SECONDS, seconds)

    def _rise(self, metric: Metric, count: float, **labels: str) -> None:
        """Add what a live count rose by since it was last read."""
        key = (metric.name, *labels.values())
        self._registry.add(metric, count - self._seen.get(key, 0), **labels)
        self._seen[key] = count
