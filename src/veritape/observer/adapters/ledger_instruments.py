"""Keep the metrics of journal, ledger and gaps (TL-210, TL-220): each commit as it happens, the rest from live state."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from veritape.kernel.clock import NANOSECONDS
from veritape.observer import audit
from veritape.observer import ledger_metrics as metrics
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.journal_writer import Committed
from veritape.observer.adapters.recording import Recording
from veritape.observer.axis import START, ZERO
from veritape.observer.completeness import Line
from veritape.observer.gap_counts import GapCounts, Seen
from veritape.observer.gap_documents import Place, of_line
from veritape.observer.gaps import Cause, State
from veritape.observer.recorded_days import Day
from veritape.observer.recorder import KST_NS, Applied, kst
from veritape.observer.rows import NAMES, PACKED, TradeRows
from veritape.observer.severity import Severity
from veritape.telemetry import Metric, Registry

LOOK_NS = 10 * NANOSECONDS
"""Time between two looks at gaps and the clock's offset."""

OFFSETS, FEWEST_OFFSETS = 200, 20
"""Trades whose median is the offset, and below how many it is not known."""

HOUR_S = 3_600
"""Seconds of a segment."""

MICROSECONDS = 1_000_000
"""Of a second."""

DAY_US = 86_400 * MICROSECONDS
"""Microseconds of a day."""

SHARES = (metrics.MARKET_SHARES, metrics.RECORDED_SHARES, metrics.MISSING_SHARES)
"""What ``_shares`` counts."""


class LedgerInstruments:
    """Writes one registry; belongs to the event loop's thread."""

    def __init__(self, registry: Registry, seal_delay_s: int) -> None:
        self._registry = registry
        self._seal_delay_s = seal_delay_s
        self._synced = registry.observer(metrics.SYNC_SECONDS)
        self._waited = registry.observer(metrics.COMMIT_SECONDS)
        self._found = registry.observer(metrics.GAP_SECONDS)
        self._counts = GapCounts()
        self._shares: dict[str, tuple[int, int, int]] = {}
        self._looked_ns = 0
        self._day = ""
        self._began = False
        self._commit_seconds = 0.0
        self._swept = ("", 0)
        self._of_sweeps: Sequence[Mapping[str, Any]] = ()

    def committed(self, group: Committed) -> None:
        """Note a durable group."""
        self._synced(group.sync_ns / NANOSECONDS)
        self._commit_seconds = (group.durable_ns - group.queued_ns) / NANOSECONDS
        self._waited(self._commit_seconds)

    def applied(self, applied: Applied) -> None:
        """Note what a durable frame did."""
        for _ in range(applied.holes):
            self._found(self._commit_seconds)

    def measure(self, daybook: Daybook, wall_ns: int, real_ns: int) -> None:
        """Read the live state: once a second."""
        registry, oldest_ns = self._registry, daybook.writer.oldest_ns
        registry.set(
            metrics.JOURNAL_LAG, 0 if oldest_ns is None else max(0, real_ns - oldest_ns) / NANOSECONDS
        )
        for operation, count in daybook.writer.errors.items():
            self._rise(metrics.JOURNAL_ERRORS, count, operation=operation)
        self._rise(metrics.QUEUE_REFUSED, daybook.writer.stops, queue="frames")
        day, second = kst(wall_ns)
        days = daybook.recording.recorder.days
        registry.set(metrics.SEAL_LAG, self._seal_lag(days.get(day), second))
        if daybook.loaded.done():
            self._count_shares(days.get(day))
        if real_ns - self._looked_ns >= LOOK_NS:
            self._looked_ns = real_ns
            self._look(daybook, day)

    def _rise(self, metric: Metric, count: int, **labels: str) -> None:
        self._registry.add(metric, count - self._registry.value(metric, **labels), **labels)

    def _seal_lag(self, day: Day | None, second: int) -> float:
        due = [(hour + 1) * HOUR_S + self._seal_delay_s for hour in day.rows] if day else []
        return max(0, second - min(due)) if due and not (day and day.closed) else 0

    def _count_shares(self, day: Day | None) -> None:
        """Add what the lines' volume, recorded and missing shares rose by; what was read from the journal again counts no more."""
        if not self._began and day is not None:
            self._shares = {code: _shares(line) for code, line in day.lines.items()}
            self._day = day.day
        self._began = True
        if day is None:
            return
        if day.day != self._day:
            self._day, self._shares = day.day, {}
        for code, line in day.lines.items():
            now, before = _shares(line), self._shares.get(code, (0, 0, 0))
            self._shares[code] = now
            for metric, new, old in zip(SHARES, now, before, strict=True):
                self._registry.add(metric, max(0, new - old))

    def _look(self, daybook: Daybook, today: str) -> None:
        """Look at every gap of the day, and at the clock."""
        registry, recorder = self._registry, daybook.recording.recorder
        day = recorder.days.get(today)
        if day is None or not daybook.loaded.done():
            return
        if day.rows and len(offsets := offsets_s(day.rows[max(day.rows)])) >= FEWEST_OFFSETS:
            registry.set(metrics.CLOCK_OFFSET, statistics.median(offsets))
        place = Place(recorder.venue, day.day, day.open_s, day.close_s, day.closed_ns)
        gaps: list[dict[str, Any]] = []
        totals = {"recorded": ZERO, "backfilled": ZERO, "residual": ZERO}
        for code in day.lines:
            statement = audit.state(day, code)
            totals["recorded"] = totals["recorded"].plus(statement.line.recorded)
            totals["backfilled"] = totals["backfilled"].plus(statement.backfilled)
            totals["residual"] = totals["residual"].plus(statement.residual)
            facts = day.facts.get(code)
            previous = facts.previous_shares if facts else 0
            gaps += [of_line(place, code, gap, previous) for gap in statement.gaps]
        gaps += audit.outage_gaps(day, place, gaps)
        gaps += audit.sweep_gaps(place, self._manifests(daybook.recording, today))
        self._counts.look((gap["id"], _seen(gap)) for gap in gaps)
        for name, total in totals.items():
            registry.set(metrics.LEDGER_TRADES, total.trades, state=name)
        self._show_counts()

    def _manifests(self, recording: Recording, day: str) -> Sequence[Mapping[str, Any]]:
        """Return the day's sweeps, read again when there are more."""
        ended = recording.sweeps_ended(day)
        if self._swept != (day, ended):
            self._swept, self._of_sweeps = (day, ended), recording.manifests(day)
        return self._of_sweeps

    def _show_counts(self) -> None:
        """Write every count of gaps at one moment, so that they add up (TL-190)."""
        registry, counts = self._registry, self._counts
        self._rise(metrics.GAPS_DETECTED, counts.detected)
        self._rise(metrics.GAPS_LOW, counts.closed[Severity.LOW])
        self._rise(metrics.GAPS_MEDIUM, counts.closed[Severity.MEDIUM])
        self._rise(metrics.GAPS_HIGH, counts.closed[Severity.HIGH])
        for cause, count in counts.causes.items():
            self._rise(metrics.GAPS, count, cause=cause.value)
        for severity in Severity:
            registry.set(metrics.OPEN_GAPS, counts.open(severity), severity=severity.value)


def _seen(gap: Mapping[str, Any]) -> Seen:
    return Seen(Severity(gap["severity"]), Cause(gap["cause"]), State(gap["state"]))


def _shares(line: Line) -> tuple[int, int, int]:
    """Return a line's shares that the market traded while it was watched, that are recorded, and that are missing."""
    runs = line.axes[0].runs
    before = runs[1].left.chain_shares if len(runs) > 1 and runs[0].right == START else 0
    market = sum(axis.end.chain_shares for axis in line.axes) - before
    return market, line.recorded_shares, market - line.recorded_shares


def offsets_s(rows: TradeRows) -> list[float]:
    """Return receipt minus venue time of the last trades, seconds."""
    event_s, received_us = NAMES.index("event_s"), NAMES.index("received_us")
    found = []
    for values in PACKED.iter_unpack(rows.packed[-OFFSETS * PACKED.size :]):
        local_us = (values[received_us] + KST_NS // 1_000) % DAY_US
        found.append((local_us - values[event_s] * MICROSECONDS) / MICROSECONDS)
    return found
