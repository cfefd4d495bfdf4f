"""``veritape record``: the observer against a real or replayed broker."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
import structlog

from veritape.apps.broker_account import followed_clock, open_broker, tell_limits
from veritape.apps.keeping import VERSION
from veritape.apps.part_metrics import shown_metrics
from veritape.apps.record_binance import record_binance, wants_binance
from veritape.apps.recorded_days import require_date
from veritape.apps.recording_loop import beside, run_recorder, until_signal
from veritape.apps.settings_file import settings_bytes
from veritape.kernel.clock import NANOSECONDS, Clock, SystemClock
from veritape.kernel.errors import UnavailableError
from veritape.kernel.settings import load_settings
from veritape.observer.adapters import spare_memory
from veritape.observer.adapters.backup.source import Source
from veritape.observer.adapters.backup.upkeep import Upkeep
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.calendar_desk import CalendarDesk
from veritape.observer.adapters.clock_watch import ClockWatch
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.disk_watch import has_room
from veritape.observer.adapters.export_files import Exporter, ExportFolder
from veritape.observer.adapters.exporting import LiveExports
from veritape.observer.adapters.health import Health
from veritape.observer.adapters.instruments import Instruments
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.recording_day import HEALTH_S, RecordingDay, stop_day
from veritape.observer.adapters.session_plan import SessionPlan
from veritape.observer.adapters.storage import is_full
from veritape.observer.adapters.token_files import AccountLock, account_id
from veritape.observer.journal import Venue
from veritape.observer.log_events import LogEvent
from veritape.observer.metrics import METRICS
from veritape.observer.readiness import Facts
from veritape.observer.recorder import KST_NS
from veritape.observer.settings import JournalSettings, RecordSettings
from veritape.telemetry import Registry
from veritape.telemetry.adapters.log_file import LogFile
from veritape.telemetry.adapters.logs import Lines, configure_logs
from veritape.telemetry.metrics import part_metrics

PART = "observer"
"""Name of this part on the metrics page."""

PREFIX = "VERITAPE_RECORD"
"""What this command's environment variables begin with."""


@click.command(context_settings={"show_default": True})
@click.option("--config", type=click.Path(path_type=Path), required=True, help="TOML file with the settings.")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Data directory, in place of observer.data_dir."
)
@click.option("--day", help="Record this business date, YYYYMMDD, then end; else day after day until Ctrl-C.")
def record(config: Path, data: Path | None, day: str | None) -> None:
    """Record trades and sweeps: what is acknowledged is durable, what is missing is stated.

    Secrets may stand in the environment as VERITAPE_RECORD_KIS__APPKEY and VERITAPE_RECORD_KIS__APPSECRET. Ctrl-C ends
    it in seconds and loses nothing. observer.venue = "BINANCE" records public Binance spot data and needs no account.
    Exit 1: credentials refused, disk full, another process records the account.
    """
    require_date(day)
    spare_memory.bound()
    environment = dict(os.environ)  # noqa: TID251 - apps read the environment
    if data is not None:
        environment[f"{PREFIX}_OBSERVER__DATA_DIR"] = str(data)
    content = settings_bytes(config)
    if wants_binance(content, environment, PREFIX):
        record_binance(content, environment, PREFIX, str(config), day)
        return
    settings = load_settings(RecordSettings, content, environment, PREFIX, str(config))
    try:
        run_recorder(_run(settings, day))
    except OSError as error:
        if not is_full(error):
            raise
        raise disk_full(error, settings.observer.data_dir) from error


def disk_full(error: OSError, data: Path) -> UnavailableError:
    """Return what to tell of a disk that was full for anything but the journal, which reports its own (OB-510)."""
    return UnavailableError(
        f"record: {error.strerror}: {error.filename or data}: every acknowledged frame is durable;"
        " free some space and start again"
    )


async def _run(settings: RecordSettings, day: str | None) -> None:
    account = account_id(settings.kis.appkey.get_secret_value())
    lock = AccountLock(settings.observer.data_dir, account)
    lock.acquire()
    real = SystemClock()
    registry = Registry((*part_metrics(PART), *METRICS))
    shown = settings.telemetry
    try:
        async with shown_metrics(
            PART, registry, shown.listen, shown.descriptor, real, shown.export_dir, settings.observer.data_dir
        ):
            with _log_stream(shown.log_file) as stream:
                output = configure_logs(PART, "info", registry, real, stream)
                try:
                    instruments = Instruments(registry, settings, real.monotonic_ns(), real.wall_ns())
                    await _record(settings, day, instruments)
                finally:
                    output.close()
    finally:
        lock.release()


@contextlib.contextmanager
def _log_stream(path: Path | None) -> Iterator[Lines]:
    """Return where the log goes.

    Raises:
        UnavailableError: the file cannot be opened.
    """
    if path is None:
        yield sys.stderr
        return
    try:
        file = LogFile(path, SystemClock(), KST_NS)
    except OSError as error:
        raise UnavailableError(f"telemetry.log_file {path}: {error.strerror}") from error
    with contextlib.closing(file):
        yield file


async def _record(settings: RecordSettings, day: str | None, instruments: Instruments) -> None:
    account = account_id(settings.kis.appkey.get_secret_value())
    desk = _calendar_desk(settings)
    clock, follower = await followed_clock(settings)
    recording = Recording(settings.observer.data_dir, settings.observer.venue)
    log = structlog.get_logger()
    async with contextlib.AsyncExitStack() as stack:
        rest, permits = open_broker(settings, clock, owner=True)
        stack.callback(permits.close)
        stack.push_async_callback(rest.close)
        # The journal's thread acknowledges to this loop: whatever may refuse to open does so before it begins.
        daybook = Daybook(
            recording, _journal_options(settings.journal, recording), clock, instruments.applied, say=_say
        )
        daybook.committed = instruments.ledger.committed
        rest.exchanged, rest.gate.waited = instruments.flow.exchanged, instruments.flow.waited
        log.info(LogEvent.PROCESS_STARTED, account=account, venue=recording.venue)
        tell_limits(settings, account)
        _tell_recovered(daybook)
        upkeep = _upkeep(settings, daybook, clock)
        health = Health(settings, rest, daybook, clock)
        plan = SessionPlan(desk, rest, clock, ask_broker=settings.calendar.use_broker)
        watched = Watched(rest, daybook, clock, instruments, upkeep, health, plan)
        background = [
            asyncio.create_task(watched.measure_each_second()), asyncio.create_task(rest.keeper.keep()),
            asyncio.create_task(ClockWatch(SystemClock()).run()),
            *([follower] if follower else []),
        ]  # fmt: skip
        try:
            exports = _exports(settings, daybook, clock)
            days = _days(settings, watched, day, exports.write)
            await until_signal(beside(days, upkeep, exports), daybook.failed)
        finally:
            await daybook.close()
            log.info(LogEvent.PROCESS_STOPPED, durable_frames=daybook.writer.watermark.frames)
            for task in background:
                task.cancel()
            watched.measure()
            await asyncio.gather(*background, return_exceptions=True)
    measuring = background[0]
    if not measuring.cancelled():
        measuring.result()


def _tell_recovered(daybook: Daybook) -> None:
    """Say what the last run left: a torn journal, a broken index."""
    log = structlog.get_logger()
    for recovered in daybook.recovered:
        log.warning(
            LogEvent.JOURNAL_RECOVERED,
            file=recovered.path.name,
            frames=recovered.frames,
            cut_bytes=recovered.cut_bytes,
            damaged_ranges=len(recovered.damaged),
        )
        _say(
            f"recovered {recovered.path.name}: {recovered.frames} frames kept, {recovered.cut_bytes} bytes cut"
        )
    if daybook.control_moved_to is not None:
        log.warning(LogEvent.CONTROL_REBUILT, moved_to=daybook.control_moved_to.name)
        _say(f"control.db was corrupt: moved to {daybook.control_moved_to}, rebuilt from seals and journal")


@dataclass
class Watched:
    """What records, and the instruments that watch it."""

    rest: BrokerRest
    """Calls and token."""
    daybook: Daybook
    """Journal and ledger."""
    clock: Clock
    """The market's time."""
    instruments: Instruments
    """Metrics."""
    upkeep: Upkeep
    """Backups and drills."""
    health: Health
    """What readiness is measured by while no day is recorded."""
    plan: SessionPlan
    """Which day is next."""
    day: RecordingDay | None = None
    """The day that is recorded, or was last."""

    def measure(self) -> None:
        """Bring the metrics up to date."""
        real_ns = SystemClock().monotonic_ns()
        wall_ns = self.clock.wall_ns()
        self.instruments.measure(self.day, self.rest, self.daybook, wall_ns, real_ns)
        self.instruments.ledger.measure(self.daybook, wall_ns, real_ns)
        self.instruments.flow.measure(self.day, self.rest, wall_ns)
        self.instruments.kept(self.upkeep.state)
        self.instruments.checked(self._facts())

    def _facts(self) -> Facts:
        """Measure what readiness depends on, whether a day is recorded or one is waited for (TL-710)."""
        if self.day is not None and self.day.is_begun and self.plan.awaited is None:
            return self.day.ready_facts()
        is_due = self.plan.is_due(HEALTH_S)
        return self.health.facts(is_due=is_due, has_universe=False, is_connected=False)

    async def measure_each_second(self) -> None:
        """Measure until cancelled."""
        real = SystemClock()
        while True:
            self.measure()
            await real.sleep_until(real.monotonic_ns() + NANOSECONDS)


async def _days(
    settings: RecordSettings, watched: Watched, only: str | None, export: Callable[[], Awaitable[None]]
) -> None:
    """Record one day and export the windows that are due, or session after session for ever."""
    done = ""
    clock, daybook, plan = watched.clock, watched.daybook, watched.plan
    while True:
        day, hours, calendar = await plan.next(only, done)
        watched.measure()
        recording_day = watched.day = RecordingDay(settings, watched.rest, daybook, clock, _say)
        minutes = asyncio.create_task(_tell(recording_day, daybook, clock))
        log = structlog.get_logger()
        log.info(LogEvent.DAY_BEGUN, day=day, open_s=hours.open_s, close_s=hours.close_s)
        try:
            figures = await recording_day.run(day, hours, calendar, partial(plan.hours, day))
        except asyncio.CancelledError:
            await stop_day(recording_day)
            raise
        finally:
            minutes.cancel()
        log.info(LogEvent.DAY_ENDED, day=day, **figures)
        if only:
            await export()
            return
        done = day


async def _tell(day: RecordingDay, daybook: Daybook, clock: Clock) -> None:
    """Print a line a minute."""
    while True:
        await clock.sleep_until(clock.monotonic_ns() + 60 * NANOSECONDS)
        slots = day.stream.slots
        _, second = daybook.now()
        _say(
            f"{second // 3600:02}:{second // 60 % 60:02}  {daybook.writer.watermark.frames:,} frames durable,"
            f" {len(slots.active)} of {slots.limit} slots, {len(day.manifests)} sweeps, {daybook.lag_frames} waiting"
        )


def _upkeep(settings: RecordSettings, daybook: Daybook, clock: Clock) -> Upkeep:
    source = Source(settings.observer.data_dir, settings.observer.venue, settings.calendar.override_file)
    log, index = structlog.get_logger(), daybook.index
    return Upkeep(
        source, settings.backup, settings.retention, VERSION, clock, log, daybook.writer.seal, index.backed_up
    )


def _exports(settings: RecordSettings, daybook: Daybook, clock: Clock) -> LiveExports:
    data, venue = settings.observer.data_dir, settings.observer.venue
    first_day = (daybook.recording.days() or [daybook.now()[0]])[-2:][0]
    exporter = Exporter(data, venue, first_day, settings.export.kinds)
    folder = ExportFolder(data / "export", settings.export.compress)
    return LiveExports(exporter, folder, daybook, clock, partial(has_room, data, settings.journal.kept_bytes))


def _calendar_desk(settings: RecordSettings) -> CalendarDesk:
    answers = settings.observer.data_dir / "calendar" / f"broker-{settings.kis.environment}.json"
    return CalendarDesk(settings.calendar.override_file, answers)


def _journal_options(settings: JournalSettings, recording: Recording) -> JournalOptions:
    return JournalOptions(
        recording.journal_folder,
        Venue[recording.venue],
        settings.commit_ms,
        settings.commit_bytes,
        settings.roll_bytes,
        settings.queue_bytes,
        settings.zstd_level,
        settings.reserve_bytes,
    )


def _say(text: str) -> None:
    click.echo(text)
