"""One day of the recorder, phase by phase (OB-124): prepare, connect, sweep, anchor, seal."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any

import structlog

from veritape.kernel.canonical import canonical_json
from veritape.kernel.clock import NANOSECONDS, Clock, SystemClock
from veritape.kernel.files import write_atomically
from veritape.observer.adapters.backfiller import Backfiller
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.chooser import Chooser, ChosenDay, registered_for
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.gap_watch import GapWatch
from veritape.observer.adapters.health import Health
from veritape.observer.adapters.quote_check import QuoteCheck
from veritape.observer.adapters.sealing import Sealing
from veritape.observer.adapters.silence_watch import SilenceWatch
from veritape.observer.adapters.spare_memory import give_back
from veritape.observer.adapters.stream import Stream
from veritape.observer.adapters.sweeper import ANCHOR_WAIT_S, Sweeper, grid_cycle
from veritape.observer.adapters.timetable import Timetable
from veritape.observer.adapters.universe_desk import UniverseDesk
from veritape.observer.business_days import Calendar
from veritape.observer.gaps import Cause
from veritape.observer.log_events import LogEvent
from veritape.observer.membership import Filter
from veritape.observer.notes import NoteKind
from veritape.observer.readiness import Facts
from veritape.observer.recorded_days import Anchor
from veritape.observer.recorder import KST_NS
from veritape.observer.sessions import MINUTE_S, Hours
from veritape.observer.settings import RecordSettings
from veritape.observer.track_a import Cycle, CycleKind, MissingReason, grid_second

CONNECT_S, AFTER_S = -5 * MINUTE_S, 10 * MINUTE_S
"""Seconds from the open and the close at which phases begin."""

CLOSING_S = -10 * MINUTE_S
"""Seconds from the close at which the closing auction begins."""

TOKEN_S = -30 * MINUTE_S
"""Seconds from the open at which the token must outlive the session (OB-407)."""

HEALTH_S = -1 * MINUTE_S
"""Seconds from the open at which everything must stand (OB-411)."""

HEALTH_WAIT_SECONDS = 3
"""Real time that the connection of a late start has before it counts as missing."""

LATE_S = 1
"""A grid time that passed this many seconds before the start of the process was missed."""

AUDIT_S = 30 * MINUTE_S
"""Seconds after the close at which the day is audited (OB-680)."""

BACKFILL_S = 20 * MINUTE_S
"""Seconds after the close at which the backfill ends, done or not: the audit waits for it."""

LOOK_EVERY_S = 5
"""Seconds between two looks for gaps."""


class RecordingDay:
    """Everything that the recorder does on one day."""

    def __init__(
        self,
        settings: RecordSettings,
        rest: BrokerRest,
        daybook: Daybook,
        clock: Clock,
        say: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._rest = rest
        self._daybook = daybook
        self._clock = clock
        self._say = say
        self._data = settings.observer.data_dir
        self._venue = settings.observer.venue
        self.stream = Stream(
            settings.kis.ws_url,
            rest,
            daybook,
            clock,
            settings.track_b.limit,
            settings.session.silence_seconds,
            registered_for(settings),
        )
        """Track B's connection."""
        self._check = QuoteCheck(rest, daybook.recording.recorder, clock)
        self.chooser = Chooser(settings, rest, daybook, clock, self._check, self.stream, say)
        """Track B's choice."""
        self._symbols: dict[str, dict[str, Any]] = {}
        self._backfiller = Backfiller(rest, clock, daybook.recording, settings.backfill.share)
        self._gaps = GapWatch(daybook, clock)
        self._silences = SilenceWatch(self._check, daybook.recording, clock)
        self.codes: tuple[str, ...] = ()
        """Everything that sweeps ask for."""
        self.universe: dict[str, Any] | None = None
        """In force; None without one."""
        self.universes = UniverseDesk(rest, self._data, _filter(settings))
        """Makes the day's list."""
        self.health = Health(settings, rest, daybook, clock)
        """What readiness is measured by."""
        self.is_begun = False
        """Whether the day's hours are known."""
        self._sealing = Sealing(
            daybook, clock, settings.journal.kept_bytes, settings.segments.seal_delay_seconds, say
        )
        self._facts: dict[str, dict[str, int]] = {}
        self.hours: Hours | None = None
        """Hours of the day that is recorded, None before."""
        self.manifests: list[dict[str, Any]] = []
        """Sweeps of the grid that ended."""

    async def run(
        self,
        day: str,
        hours: Hours,
        calendar: Calendar,
        read_again: Callable[[], Hours | None] | None = None,
    ) -> dict[str, Any]:
        """Do the day from prepare to the last seal; cancel it to stop at once.

        Args:
            day: YYYYMMDD.
            hours: planned.
            calendar: in force at the plan.
            read_again: the calendar's later opinion of the day (OB-125).

        Returns:
            What the log says of the day: whether it closes, trades recorded and missing; nothing of one that was called off.
        """
        self._midnight_ns = day_start_ns(day)
        self._daybook.recording.forget_before(day)
        self.hours = hours
        self._timetable = Timetable(
            hours, self._midnight_ns, self._clock, read_again, lambda changed: self._note_day(day, changed)
        )
        self.is_begun = True
        universe_blake3 = await self._prepare(day, calendar)
        sweeper = Sweeper(
            self._rest,
            self._clock,
            self._data,
            self._venue,
            universe_blake3,
            self._daybook.index.swept,
            single=self._settings.track_a.single_quote,
        )
        await self._timetable.until(lambda hours: hours.open_s + TOKEN_S)
        await self._rest.token(self._midnight_ns + self._timetable.hours.close_s * NANOSECONDS)
        await self._timetable.until(lambda hours: hours.open_s + CONNECT_S)
        if self._timetable.is_cancelled:
            self._say(f"day {day}: the calendar was changed: closed")
            return {}
        wanted = await self.chooser.begin(ChosenDay(day, self._midnight_ns, self._timetable, self._symbols))
        track_a = self._settings.track_a
        is_swept = track_a.enabled and bool(self.codes) and (track_a.single_quote or not sweeper.is_single)
        work = [
            asyncio.create_task(self.stream.run(wanted)),
            asyncio.create_task(self.chooser.run(sweeper if is_swept else None)),
            asyncio.create_task(self._sealing.run(day, self._second)),
            asyncio.create_task(self._tell_health(day)),
            asyncio.create_task(self._look_for_gaps(day)),
            asyncio.create_task(self._silences.run(day, self._must_be_heard)),
        ]
        if self._settings.backfill.enabled:
            work.append(asyncio.create_task(self._backfiller.watch(day)))
        if is_swept:
            work.append(asyncio.create_task(self._sweeps(sweeper, day)))
        closing = asyncio.create_task(self._close_lines(sweeper, day))
        try:
            await _first_error([*work, closing], closing)
            await self.stream.finish()
        finally:
            for task in (*work, closing):
                task.cancel()
            await asyncio.gather(*work, closing, return_exceptions=True)
        if self._settings.backfill.enabled:
            await self._fetch_what_is_left(day)
        seal_s, audit_s = settling_seconds(is_played=self._settings.kis.follow_replay_clock)
        await self._timetable.until(lambda hours: hours.close_s + seal_s)
        await self._close_day(day)
        await self._timetable.until(lambda hours: hours.close_s + audit_s)
        figures = await self._audit(day)
        give_back()
        verdict = "every line closes" if figures["closed"] else "NOT every line closes"
        self._say(f"day {day} is over: {verdict}")
        return figures

    async def _prepare(self, day: str, calendar: Calendar) -> str:
        """Fetch universe and token, journal the day's facts; return the universe's hash."""
        document = self.universe = await self.universes.of(day, calendar, self._timetable)
        symbols = {symbol["code"]: symbol for symbol in document["symbols"]} if document else {}
        self._symbols = symbols
        if document is not None:
            self._say(f"universe of {day}: {document['count']} symbols, {document['provenance']}")
        else:
            self._say(f"universe of {day}: none, so no sweeps")
        manual = self._settings.track_b.manual
        self.codes = (*symbols, *(code for code in manual if code not in symbols)) if symbols else ()
        self._facts = {
            code: {
                "reference_price": symbol["reference_price_krw"],
                "previous_shares": symbol["previous_shares"],
            }
            for code, symbol in symbols.items()
        }
        self._note_day(day, self._timetable.hours)
        await self._rest.token()
        return str(document["blake3"]) if document else ""

    def ready_facts(self) -> Facts:
        """Measure what readiness depends on; the day must have begun."""
        hours = self._timetable.hours
        return self.health.facts(
            is_due=hours.open_s + HEALTH_S <= self._second() < hours.close_s,
            has_universe=self.universe is not None,
            is_connected=self.stream.serves,
        )

    async def _tell_health(self, day: str) -> None:
        await self._timetable.until(lambda hours: hours.open_s + HEALTH_S)
        await self.health.ask_for_a_price(next(iter((*self._settings.track_b.manual, *self.codes)), None))
        await self.stream.settled(HEALTH_WAIT_SECONDS)
        self.health.tell(day, self.ready_facts())

    def _note_day(self, day: str, hours: Hours) -> None:
        """Journal the day's hours and facts, at its begin and when the calendar was changed."""
        self.hours = hours
        self._daybook.note(
            NoteKind.DAY,
            day=day,
            venue=self._venue,
            open_s=hours.open_s,
            close_s=hours.close_s,
            codes=self._facts,
        )

    async def _sweeps(self, sweeper: Sweeper, day: str) -> None:
        interval = self._settings.track_a.interval_minutes
        for number in count():
            due = partial(grid_second, number, interval)
            was_missed = self._second() > due(self._timetable.hours) + LATE_S
            await self._timetable.until(due)
            grid_s = due(self._timetable.hours)
            if grid_s > self._timetable.hours.close_s:
                return
            cycle = Cycle(number, CycleKind.GRID, self._midnight_ns + grid_s * NANOSECONDS, self.codes)
            if was_missed:
                passed = MissingReason.OVERLAP if self.manifests else MissingReason.PROCESS_DOWN
                cycle.lost(self.codes, passed)
            manifest = await grid_cycle(sweeper, cycle, day, grid_s, interval)
            self.manifests.append(manifest)
            quotes = [quote for quote, _, _ in cycle.quotes.values()]
            self.chooser.swept(grid_s, (q for q in quotes if q.code not in sweeper.chains.went_back))
            active = set(self.stream.slots.active)
            self._check.saw(day, (quote for quote in quotes if quote.code in active))

    def _must_be_heard(self) -> list[str]:
        """Return the registered codes while trading is continuous: before and after it silence is normal."""
        hours = self._timetable.hours
        return self.stream.slots.active if hours.open_s <= self._second() < hours.close_s + CLOSING_S else []

    def _watched(self, day: str) -> list[str]:
        """Return every code that had a slot today or should have one."""
        lines = self._daybook.recording.recorder.day(day).lines
        return [*lines, *(code for code in self.chooser.engine.wanted if code not in lines)]

    async def _close_lines(self, sweeper: Sweeper, day: str) -> None:
        """Anchor every watched line, then tile the tails (OB-611, OB-612)."""

        def taken(code: str, anchor: Anchor) -> None:
            self._daybook.note(
                NoteKind.ANCHOR, day=day, code=code, **anchor._asdict() | {"agreed": int(anchor.agreed)}
            )
            self._daybook.index.anchored(day, code, anchor)

        await self._timetable.until(lambda hours: hours.close_s + ANCHOR_WAIT_S)
        anchors = await sweeper.anchors(
            self._watched(day), day, self._timetable.hours, self._midnight_ns, taken
        )
        await self._daybook.flush()
        for code, anchor in anchors.items() if not self._settings.backfill.enabled else ():
            found = self._daybook.recording.recorder.day(day)
            left = found.line(code).end.chain_shares
            if anchor.chain_shares > left and code in found.watches:
                walk = await sweeper.tail(code, left, anchor.chain_shares)
                if walk.closed:
                    self._daybook.note(NoteKind.TAIL, day=day, code=code, trades=walk.trades)

    async def _look_for_gaps(self, day: str) -> None:
        while True:
            await self._clock.sleep_until(self._clock.monotonic_ns() + LOOK_EVERY_S * NANOSECONDS)
            await SystemClock().sleep_until(SystemClock().monotonic_ns() + NANOSECONDS // 2)
            self._gaps.look(day)

    async def _fetch_what_is_left(self, day: str) -> None:
        until_ns = self._midnight_ns + (self._timetable.hours.close_s + BACKFILL_S) * NANOSECONDS
        brought = await self._backfiller.finish(day, until_ns)
        structlog.get_logger().info(LogEvent.BACKFILL_ENDED, day=day, **asdict(brought))

    async def _close_day(self, day: str) -> None:
        """Close the day: everything durable and sealed."""
        recording = self._daybook.recording
        await self.chooser.finish()
        recording.recorder.day(day)
        self._daybook.note(NoteKind.CLOSED, day=day)
        await self._daybook.flush()
        for line in recording.recorder.day(day).lines.values():
            line.settle(self._clock.wall_ns(), at_end=True)
        self._sealing.seal_rest(day)

    async def _audit(self, day: str) -> dict[str, Any]:
        """State what is complete and what is missing, as document and picture (OB-680); return what the log says of it."""
        now_ns, recording = self._clock.wall_ns(), self._daybook.recording
        document, picture = await asyncio.to_thread(recording.statement, day, now_ns)
        for suffix, content in (("json", canonical_json(document)), ("svg", picture)):
            path = self._data / "export" / f"audit_{day}.{suffix}"
            write_atomically(path, content)
            self._daybook.index.exported(path, "audit", day, content, now_ns)
        for observation in document["observations"]:
            name, value = f"ledger.{observation['code']}", canonical_json(observation).decode()
            self._daybook.observe(day, name, value)
        self._gaps.look(day)
        totals = document["totals"]
        return {
            "closed": document["closed"],
            "recorded_trades": totals["recorded"]["trades"],
            "residual_trades": totals["residual"]["trades"],
        }

    def _second(self) -> int:
        return (self._clock.wall_ns() - self._midnight_ns) // NANOSECONDS


def _filter(settings: RecordSettings) -> Filter:
    rule = settings.universe
    return Filter(rule.min_price_krw, rule.min_count, rule.exclude, round(rule.max_shrink * 100))


def day_start_ns(day: str) -> int:
    """Return the beginning of a day in Seoul, nanoseconds UTC."""
    return (
        int(datetime(int(day[:4]), int(day[4:6]), int(day[6:]), tzinfo=UTC).timestamp()) * NANOSECONDS
        - KST_NS
    )


def settling_seconds(*, is_played: bool) -> tuple[int, int]:
    """Return how long after the close the day is sealed, and how long after it is audited.

    A market may still say something then; of a replayed one nothing more comes once its lines are closed (OB-813).
    """
    return (0, 0) if is_played else (AFTER_S, AUDIT_S)


async def stop_day(day: RecordingDay) -> None:
    """Close what a cancelled day left open: the watches end because the operator stopped."""
    await day.stream.abandon(Cause.OPERATOR_STOP)


async def _first_error(tasks: list["asyncio.Task[None]"], last: "asyncio.Task[None]") -> None:
    """Wait for the last task, or for the first that fails."""
    pending = set(tasks)
    while last in pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
