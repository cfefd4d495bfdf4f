"""``veritape record`` with ``observer.venue = "BINANCE"``: public spot data, no account (OB-901)."""

import asyncio
import sys
import tomllib
from collections.abc import Mapping
from typing import Any

import click
import structlog

from veritape.apps.keeping import VERSION
from veritape.apps.part_metrics import shown_metrics
from veritape.apps.recording_loop import beside, run_recorder, until_signal
from veritape.kernel.clock import NANOSECONDS, Clock, SystemClock
from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.kernel.settings import load_settings
from veritape.observer import ledger_metrics, metrics
from veritape.observer.adapters.backup.source import Source
from veritape.observer.adapters.backup.upkeep import Upkeep
from veritape.observer.adapters.binance.instruments import BinanceInstruments
from veritape.observer.adapters.binance.recording import BinanceRecording
from veritape.observer.adapters.binance.rest import BinanceRest
from veritape.observer.adapters.binance.watching import Watching
from veritape.observer.adapters.clock_watch import ClockWatch
from veritape.observer.adapters.daybook import VenueDaybook
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.storage import is_full
from veritape.observer.adapters.token_files import AccountLock
from veritape.observer.binance.limits import Weights
from veritape.observer.binance.settings import BinanceRecordSettings
from veritape.observer.binance.statements import VENUE
from veritape.observer.binance.trade_ids import utc_day
from veritape.observer.journal import Venue
from veritape.observer.log_events import LogEvent
from veritape.telemetry import Registry
from veritape.telemetry.adapters.logs import configure_logs
from veritape.telemetry.metrics import part_metrics

PART = "observer"
"""Name of this part on the metrics page."""

NO_ACCOUNT = "binance"
"""What the lock of this venue is named after: there is no account, and one recorder a data directory."""

FAMILIES = (
    ledger_metrics.GAPS_DETECTED, ledger_metrics.LEDGER_TRADES, ledger_metrics.CLOCK_OFFSET,
    metrics.TRADES_RECORDED, metrics.PARSE_ERRORS, metrics.CONNECTED, metrics.COLLECTION_SPEED,
    metrics.API_REQUESTS, metrics.API_ERRORS, metrics.JOURNAL_BYTES, metrics.UPTIME,
)  # fmt: skip
"""Families of the recorder that mean something here."""


def wants_binance(content: bytes, environment: Mapping[str, str], prefix: str) -> bool:
    """Tell whether the configuration names this venue; a file that cannot be read is left to who reads it."""
    try:
        table: Any = tomllib.loads(content.decode()).get("observer")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return False
    named = table.get("venue") if isinstance(table, dict) else None
    return bool(environment.get(f"{prefix}_OBSERVER__VENUE", named) == VENUE)


def record_binance(
    content: bytes, environment: Mapping[str, str], prefix: str, source: str, day: str | None
) -> None:
    """Record until Ctrl-C, or until the one UTC day is over."""
    settings = load_settings(BinanceRecordSettings, content, environment, prefix, source)
    clock = SystemClock()
    if day is not None and day < utc_day(clock.wall_ns() // 1000):
        raise MisuseError(f"record: the UTC day {day} is over: a market is recorded while it trades")
    try:
        run_recorder(_run(settings, day, clock))
    except OSError as error:
        if not is_full(error):
            raise
        raise UnavailableError(
            f"record: {error.strerror}: {error.filename or settings.observer.data_dir}: every acknowledged frame is"
            " durable; free some space and start again"
        ) from error


async def _run(settings: BinanceRecordSettings, day: str | None, clock: Clock) -> None:
    lock = AccountLock(settings.observer.data_dir, NO_ACCOUNT)
    lock.acquire()
    registry = Registry((*part_metrics(PART), *FAMILIES))
    shown = settings.telemetry
    try:
        async with shown_metrics(PART, registry, shown.listen, shown.descriptor, clock):
            output = configure_logs(PART, "info", registry, clock, sys.stderr)
            try:
                await _record(settings, day, BinanceInstruments(registry, clock.monotonic_ns()), clock)
            finally:
                output.close()
    finally:
        lock.release()


async def _record(
    settings: BinanceRecordSettings, day: str | None, instruments: BinanceInstruments, clock: Clock
) -> None:
    recording = BinanceRecording(settings.observer.data_dir)
    daybook = VenueDaybook(
        recording, _options(settings, recording), clock, instruments.applied, say=click.echo
    )
    rest = BinanceRest(settings.binance.rest_url, Weights(settings.binance.weight_per_minute), clock)
    watching = Watching(settings, daybook, rest, clock, click.echo)
    log = structlog.get_logger()
    log.info(LogEvent.PROCESS_STARTED, account=NO_ACCOUNT, venue=VENUE)
    for recovered in daybook.recovered:
        click.echo(
            f"recovered {recovered.path.name}: {recovered.frames} frames kept, {recovered.cut_bytes} bytes cut"
        )

    async def measure() -> None:
        while True:
            instruments.measure(watching, daybook, rest.outcomes, clock.monotonic_ns())
            await clock.sleep_until(clock.monotonic_ns() + NANOSECONDS)

    watch = ClockWatch(clock)
    background = [
        asyncio.create_task(one) for one in (measure(), _tell(watching, daybook, clock), watch.run())
    ]
    try:
        source, index = Source(settings.observer.data_dir, VENUE), daybook.index
        upkeep = Upkeep(
            source,
            settings.backup,
            settings.retention,
            VERSION,
            clock,
            log,
            daybook.writer.seal,
            index.backed_up,
        )
        await until_signal(beside(watching.run(day), upkeep), daybook.failed)
    finally:
        await daybook.close()
        log.info(LogEvent.PROCESS_STOPPED, durable_frames=daybook.writer.watermark.frames)
        for task in background:
            task.cancel()
        instruments.measure(watching, daybook, rest.outcomes, clock.monotonic_ns())
        await rest.close()
        await asyncio.gather(*background, return_exceptions=True)


async def _tell(watching: Watching, daybook: VenueDaybook[BinanceRecording], clock: Clock) -> None:
    """Print a line a minute."""
    while True:
        await clock.sleep_until(clock.monotonic_ns() + 60 * NANOSECONDS)
        symbols = daybook.recording.recorder.symbols.values()
        missing = sum(hole.trades for symbol in symbols for hole in symbol.axis.holes())
        trouble = f" ({watching.stream.trouble})" if watching.stream.trouble else ""
        state = "connected" if watching.stream.live.is_set() else f"not connected{trouble}"
        click.echo(
            f"{daybook.writer.watermark.frames:,} frames durable, {missing:,} trades missing, {state},"
            f" {daybook.lag_frames} waiting"
        )


def _options(settings: BinanceRecordSettings, recording: BinanceRecording) -> JournalOptions:
    own = settings.journal
    return JournalOptions(
        recording.journal_folder, Venue.BINANCE, own.commit_ms, own.commit_bytes, own.roll_bytes, own.queue_bytes,
        own.zstd_level, own.reserve_bytes, day_offset_ns=0,
    )  # fmt: skip
