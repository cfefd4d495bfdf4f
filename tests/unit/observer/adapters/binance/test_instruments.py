"""Metrics of a Binance recorder."""

from pathlib import Path

from tests.binance import FIRST, frames
from tests.binance_run import FastClock, Run, settings

from veritape.observer import ledger_metrics, metrics
from veritape.observer.adapters.binance.instruments import BinanceInstruments
from veritape.observer.binance.messages import MessageReason, Refusal
from veritape.observer.metrics import METRICS
from veritape.observer.recorder import Applied
from veritape.telemetry import Metric, Registry


def value(registry: Registry, metric: Metric, **labels: str) -> float:
    return registry.values[registry.index(metric, **labels)]


async def test_what_durable_frames_and_the_live_state_set(tmp_path: Path) -> None:
    """OB-961, OB-901: the same families as for KRX, set by the live path."""
    registry = Registry(METRICS, strict=True)
    instruments = BinanceInstruments(registry, 5)
    instruments.applied(Applied(recorded=20, holes=2))
    instruments.applied(Applied(refusal=Refusal(MessageReason.BAD_NUMBER, "btcusdt@trade")))
    run = Run(settings(tmp_path, 9), FastClock(1))
    for frame in list(frames(FIRST))[:100]:
        run.daybook.frame(frame.kind, frame.connection, frame.sequence, frame.data)
    await run.daybook.flush()
    rows = run.recording.recorder.days[FIRST].rows
    rows[23] = [row._replace(received_us=row.trade.sent_us - 2_500_000) for row in rows[23]]
    for now_ns in (10**9 + 5, 2 * 10**9 + 5):
        instruments.measure(run.watching, run.daybook, {True: 3, False: 1}, now_ns)
    assert value(registry, metrics.TRADES_RECORDED, venue="binance") == 20
    assert value(registry, ledger_metrics.GAPS_DETECTED) == 2
    assert value(registry, metrics.PARSE_ERRORS, reason="bad_number") == 1
    assert value(registry, metrics.COLLECTION_SPEED) == 2
    assert value(registry, metrics.UPTIME) == 2
    assert value(registry, metrics.CONNECTED) == 0
    assert value(registry, ledger_metrics.LEDGER_TRADES, state="recorded") == 100
    assert value(registry, ledger_metrics.CLOCK_OFFSET) == -2.5
    assert (value(registry, metrics.API_REQUESTS), value(registry, metrics.API_ERRORS)) == (4, 1)
    assert value(registry, metrics.JOURNAL_BYTES) == run.daybook.writer.watermark.bytes_written > 0
    await run.close()
