"""Keep a Binance recorder's metrics: the same families as KRX's, as far as they mean the same (TL-210)."""

import statistics
from collections import deque

from veritape.kernel.clock import NANOSECONDS
from veritape.observer import ledger_metrics, metrics
from veritape.observer.adapters.binance.recording import BinanceRecording
from veritape.observer.adapters.binance.watching import Watching
from veritape.observer.adapters.daybook import VenueDaybook
from veritape.observer.binance.recorder import BinanceRecorder
from veritape.observer.binance.trade_ids import utc_day
from veritape.observer.recorder import Applied
from veritape.observer.session import SessionState
from veritape.telemetry import Metric, Registry

OPEN_STATES = {SessionState.SUBSCRIBING, SessionState.LIVE, SessionState.SILENT}
"""Session states with an open socket."""

OFFSETS, FEWEST_OFFSETS = 200, 20
"""Trades whose median is the clocks' difference, and below how many it is not known."""

MICROSECONDS = 1_000_000
"""Of a second."""

SPEED_SECONDS = 10
"""Window of the collection speed."""


class BinanceInstruments:
    """Writes one registry; belongs to the event loop's thread."""

    def __init__(self, registry: Registry, started_ns: int) -> None:
        self._registry = registry
        self._started_ns = started_ns
        self._trades = registry.index(metrics.TRADES_RECORDED, venue="binance")
        self._gaps = registry.index(ledger_metrics.GAPS_DETECTED)
        self._window: deque[float] = deque([0.0], maxlen=SPEED_SECONDS + 1)
        self._seen: dict[str, float] = {}

    def applied(self, applied: Applied) -> None:
        """Count what a durable frame did."""
        self._registry.values[self._trades] += applied.recorded
        self._registry.values[self._gaps] += applied.holes
        if applied.refusal is not None:
            self._registry.add(metrics.PARSE_ERRORS, reason=applied.refusal.reason.value)

    def measure(
        self, watching: Watching, daybook: VenueDaybook[BinanceRecording], calls: dict[bool, int], now_ns: int
    ) -> None:
        """Read the live state: once a second.

        Args:
            watching: what records.
            daybook: its journal.
            calls: whether a call brought content -> how many did.
            now_ns: the machine's monotonic clock.
        """
        registry = self._registry
        registry.set(metrics.UPTIME, (now_ns - self._started_ns) / NANOSECONDS)
        self._window.append(registry.values[self._trades])
        registry.set(metrics.COLLECTION_SPEED, (self._window[-1] - self._window[0]) / SPEED_SECONDS)
        registry.set(metrics.CONNECTED, float(watching.stream.session.state in OPEN_STATES))
        self._rise(metrics.API_REQUESTS, sum(calls.values()))
        self._rise(metrics.API_ERRORS, calls.get(False, 0))
        self._rise(metrics.JOURNAL_BYTES, daybook.writer.watermark.bytes_written)
        self._measure_lines(daybook.recording.recorder)

    def _measure_lines(self, recorder: BinanceRecorder) -> None:
        """Add up the lines of the venue's day, and show how far our clock is from the venue's."""
        registry, day = self._registry, utc_day(recorder.venue_us)
        lines = [symbol.lines[day] for symbol in recorder.symbols.values() if day in symbol.lines]
        missing = sum(hole.trades for symbol in recorder.symbols.values() for hole in symbol.axis.holes())
        trades = {
            "recorded": sum(line.recorded.trades for line in lines),
            "backfilled": sum(line.backfilled.trades for line in lines),
            "residual": missing,
        }
        for state, count in trades.items():
            registry.set(ledger_metrics.LEDGER_TRADES, count, state=state)
        hours = recorder.days[day].rows if day in recorder.days else {}
        newest = hours[max(hours)][-OFFSETS:] if hours else []
        if len(newest) >= FEWEST_OFFSETS:
            offset_us = statistics.median(row.received_us - row.trade.sent_us for row in newest)
            registry.set(ledger_metrics.CLOCK_OFFSET, offset_us / MICROSECONDS)

    def _rise(self, metric: Metric, count: float) -> None:
        """Add what a live count rose by since it was last read."""
        self._registry.add(metric, count - self._seen.get(metric.name, 0))
        self._seen[metric.name] = count
