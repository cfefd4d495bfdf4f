"""The live side of the trigger engine: inputs into the journal and the engine, its wishes to the stream (OB-301 to 394).

Every input is journalled and the same bytes are handed to the engine, so what is decided here can be decided again from
the journal; a restart within the session does just that before it connects (OB-351).
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.observer import control, inputs
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.clock_watch import sleep_until_wall
from veritape.observer.adapters.control_index import journalled_inputs
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.decision_files import DecisionFiles
from veritape.observer.adapters.disk_watch import has_room
from veritape.observer.adapters.quote_check import QuoteCheck
from veritape.observer.adapters.stream import Stream
from veritape.observer.adapters.sweeper import Sweeper
from veritape.observer.adapters.timetable import Timetable
from veritape.observer.context import SWEEP_BEFORE_S, SWEEP_SECONDS, Provenance, choice_s
from veritape.observer.decisions import Decision, Limits
from veritape.observer.inputs import Input
from veritape.observer.journal import Kind
from veritape.observer.lanes import Lane
from veritape.observer.log_events import LogEvent
from veritape.observer.notes import NoteKind, note
from veritape.observer.pace import Head, Pace
from veritape.observer.quotes import Quote
from veritape.observer.rankings import ASKED_SECONDS, CALLS, RankingList, ranks_of
from veritape.observer.reactions import Reaction
from veritape.observer.settings import RecordSettings
from veritape.observer.slots import Outcome, SlotAction
from veritape.observer.track_a import DEADLINE_S, Cycle, CycleKind, grid
from veritape.observer.track_b import Step, TrackB
from veritape.observer.triggers import VELOCITY_SECONDS, Trigger
from veritape.wire.kis.frames import BOOK_KRX, TRADES_KRX

ANSWERED = (9, 10)
"""Share of the universe that a context sweep must bring; with less the grid's sweep before it is used."""

REFUSING = {Reaction.BUG, Reaction.REFUSED}
"""Reactions after which a ranking is not asked for again that day: the broker does not serve it to this account."""


@dataclass(frozen=True)
class ChosenDay:
    """The day that is chosen for."""

    day: str
    """YYYYMMDD."""
    midnight_ns: int
    """Its beginning in Seoul, nanoseconds UTC."""
    timetable: Timetable
    """Its hours, which may still move."""
    symbols: Mapping[str, Mapping[str, Any]]
    """Universe: code -> row of its document."""


class Chooser:
    """Chooses the codes of one day's stream."""

    def __init__(
        self,
        settings: RecordSettings,
        rest: BrokerRest,
        daybook: Daybook,
        clock: Clock,
        check: QuoteCheck,
        stream: Stream,
        say: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._rest = rest
        self._daybook = daybook
        self._clock = clock
        self._check = check
        self._stream = stream
        self._say = say
        self._ahead_ns = clock.wall_ns() - clock.monotonic_ns()
        self._pace = Pace()
        self._told_velocity: dict[str, int] = {}
        self._unquoted: list[str] = []
        self._subscribed = asyncio.Event()
        self._last_wanted: list[str] | None = None
        self._stopped_lists: set[RankingList] = set()
        self.engine = TrackB()
        """What decides."""
        self.fired: Counter[Trigger] = Counter()
        """New candidates since the start of the process, by trigger."""
        self.decided: Counter[Decision] = Counter()
        """Decisions since then."""
        stream.heard, stream.changed = self._heard, self._changed

    async def begin(self, day: ChosenDay) -> list[str]:
        """Begin a day, or go on with it after a restart; return the codes that are wanted from the start on."""
        self._day = day
        folder = self._daybook.recording.journal_folder / day.day
        await self._daybook.flush()
        known = await asyncio.to_thread(lambda: list(journalled_inputs(folder, day.day)))
        first_s = self._second()
        if known:
            first_s = (json.loads(known[0])["at_ns"] - day.midnight_ns) // NANOSECONDS
        export = self._daybook.recording.data / "export"
        self._files = DecisionFiles(export, day.day, day.midnight_ns, max(0, first_s), self._daybook.index)
        for data in known:
            self._keep(data, self.engine.take(data))
        if not self.engine.begun:
            self._tell(**self._begun())
        configured = self._configured()
        if {name: configured[name] for name in ("rules", "limits", "pinned")} != self.engine.configured:
            self._tell(**configured)
        self._restore_slots()
        self._wish()
        return self.engine.wanted

    async def run(self, sweeper: Sweeper | None) -> None:
        """Feed the engine until cancelled; without a sweeper there is no universe to choose from."""
        work = [self._tick(), self._quote_subscribed()]
        if sweeper is not None:
            work.append(self._choose(sweeper))
            if self._settings.triggers.ranking.enabled:
                work.append(self._rank())
        tasks = [asyncio.create_task(one) for one in work]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    def swept(self, grid_s: int, quotes: Iterable[Quote]) -> None:
        """Take a sweep of the grid."""
        rows = list(quotes)
        if rows:
            self._tell(**inputs.sweep(Input.SWEEP, grid_s, rows))

    async def finish(self) -> None:
        """Close the day: fill the overflow ledger, write what is left of the log."""
        self._tell(input=Input.CLOSED.value)
        await self._daybook.flush()
        entries = self.engine.overflow.entries
        self._daybook.index.turned_away(self._day.day, entries)
        rows = [entry.row(self._day.day) for entry in entries]
        self._files.finish(self._second(), rows, self._clock.wall_ns())
        shares, value_krw = self.engine.overflow.total()
        self._daybook.observe(self._day.day, "overflow_shares", str(shares))
        self._daybook.observe(self._day.day, "overflow_value_krw", str(value_krw))

    def _restore_slots(self) -> None:
        """Tell the stream's slots what the broker said earlier today."""
        slots, learned = self._stream.slots, self.engine.seats.learned
        if learned is not None:
            slots.limit = min(slots.limit, learned * len(slots.tr_ids))
        slots.refused.update((code, TRADES_KRX) for code in self.engine.refused)
        self._daybook.index.database.replace(control.SLOTS, [])

    def _begun(self) -> dict[str, Any]:
        hours, track_a = self._day.timetable.hours, self._settings.track_a
        codes = {
            code: (
                row.get("market_cap_100m_krw", 0),
                row.get("previous_shares", 0),
                "halted" in row.get("flags", ()),
            )
            for code, row in self._day.symbols.items()
        }
        cycles = len(grid(hours, track_a.interval_minutes))
        return inputs.begun(
            (hours.open_s, hours.close_s), track_a.interval_minutes * 60, cycles, codes, self._carried()
        )

    def _configured(self) -> dict[str, Any]:
        chosen = self._settings.track_b
        limits = Limits(
            slots=self._stream.slots.codes,
            dwell_s=chosen.dwell_seconds,
            hysteresis_micro=round(chosen.hysteresis * 1_000_000),
            churn_hysteresis_micro=round(chosen.churn_hysteresis * 1_000_000),
            changes_per_minute=chosen.changes_per_minute,
            changes_per_hour=chosen.changes_per_hour,
        )
        return inputs.configured(self._settings.triggers.rules(), limits, chosen.manual)

    def _carried(self) -> list[str]:
        """Return the codes that were wanted last, of the newest day that is not later than this one."""
        rows = [
            row for row in self._daybook.index.database.rows(control.WANTED) if row["day"] <= self._day.day
        ]
        newest = max((row["day"] for row in rows), default="")
        return [row["code"] for row in rows if row["day"] == newest]

    async def _tick(self) -> None:
        """Look each second for what time alone brings."""
        while True:
            await self._clock.sleep_until(self._clock.monotonic_ns() + NANOSECONDS)
            self._tell_velocity()
            expiry_ns = self.engine.next_expiry_ns
            if expiry_ns is not None and expiry_ns <= self._now_ns():
                self._tell(input=Input.EXPIRY.value)
            kept_bytes = self._settings.journal.kept_bytes
            if self._files.is_due(self._second()) and has_room(self._settings.observer.data_dir, kept_bytes):
                await self._daybook.flush()
                self._files.write_due(self._second(), self._clock.wall_ns())

    async def _rank(self) -> None:
        """Ask for both rankings each minute of the session (two calls, lane ``trigger``)."""
        timetable = self._day.timetable
        await timetable.until(lambda hours: hours.open_s)
        asked_s = self._second()
        while asked_s < timetable.hours.close_s and len(self._stopped_lists) < len(RankingList):
            for ranking in RankingList:
                if ranking not in self._stopped_lists:
                    await self._ask(ranking)
            asked_s = max(asked_s + ASKED_SECONDS, self._second())
            await self._until(asked_s)

    async def _quote_subscribed(self) -> None:
        """Ask one quote of what was subscribed: what a line missed while it was not watched shows at once (OB-343)."""
        recorder = self._daybook.recording.recorder
        while True:
            await self._subscribed.wait()
            await self._clock.sleep_until(self._clock.monotonic_ns() + NANOSECONDS)
            self._subscribed.clear()
            lines = recorder.day(self._day.day).lines
            codes = [code for code in self._unquoted if code in lines and lines[code].end.chain_shares]
            self._unquoted.clear()
            await self._check.ask(self._day.day, codes)

    async def _ask(self, ranking: RankingList) -> None:
        how = CALLS[ranking]
        answer = await self._rest.quotation(how.call, how.parameters, Lane.TRIGGER)
        if answer.reaction in REFUSING:
            self._stopped_lists.add(ranking)
            self._say(f"the {ranking.value} ranking is not served ({answer.code}): not asked for again today")
        elif answer.reaction is Reaction.OK and isinstance(ranks := ranks_of(answer, ranking), list):
            rows = [[code, rank] for code, rank in ranks]
            self._tell(input=Input.RANKING.value, list=ranking.value, ranks=rows)

    async def _choose(self, sweeper: Sweeper) -> None:
        """Make the day's first choice, or make up for it after a late start (OB-392, OB-394)."""
        timetable, minutes = self._day.timetable, self._settings.track_a.context_minutes
        if self.engine.seats.settled or choice_s(timetable.hours, minutes) >= timetable.hours.close_s:
            return
        is_late = self._second() > choice_s(timetable.hours, minutes) - SWEEP_BEFORE_S
        if not is_late:
            await timetable.until(lambda hours: choice_s(hours, minutes) - SWEEP_BEFORE_S)
        sweep_s = self._second()
        grid_ns = self._day.midnight_ns + sweep_s * NANOSECONDS
        cycle = Cycle(0, CycleKind.CONTEXT, grid_ns, tuple(self._day.symbols))
        await sweeper.sweep(cycle, self._day.day, sweep_s, DEADLINE_S if is_late else SWEEP_SECONDS)
        provenance = Provenance.LATE_START if is_late else Provenance.CONTEXT
        if len(cycle.quotes) * ANSWERED[1] >= len(cycle.codes) * ANSWERED[0]:
            rows = [quote for quote, _, _ in cycle.quotes.values()]
            self._tell(**inputs.sweep(Input.CONTEXT_SWEEP, sweep_s, rows))
        else:
            provenance = Provenance.STALE_CONTEXT if self.engine.was_swept else Provenance.CONTEXT_FAILED
        if not is_late:
            await timetable.until(lambda hours: choice_s(hours, minutes))
        self._tell(input=Input.CONTEXT.value, provenance=provenance.value)
        log, codes = structlog.get_logger(), len(self.engine.wanted)
        if provenance is Provenance.CONTEXT_FAILED:
            log.warning(LogEvent.CONTEXT_FAILED, codes=codes)
        else:
            log.info(LogEvent.SLOTS_CHOSEN, provenance=provenance.value, codes=codes)
        self._say(f"slots chosen from the whole universe ({provenance.value})")

    def _heard(self, head: Head) -> None:
        if head.tr_id == TRADES_KRX:
            self._pace.arrived(head.code, head.records, self._clock.monotonic_ns())

    def _changed(self, outcome: Outcome) -> None:
        """Tell the engine what the broker did, keep the slot's state."""
        slots = self._stream.slots
        if outcome.action is SlotAction.LEARN_LIMIT:
            self._daybook.observe(self._day.day, "registrations", str(slots.limit))
            structlog.get_logger().warning(LogEvent.LIMIT_LEARNED, registrations=slots.limit)
            self._tell(input=Input.LIMIT.value, code=outcome.code, slots=max(1, slots.codes))
        elif outcome.action is SlotAction.REFUSE_CODE:
            structlog.get_logger().warning(LogEvent.CODE_REFUSED, code=outcome.code, tr_id=outcome.tr_id)
            if outcome.tr_id == TRADES_KRX:
                self._tell(input=Input.REFUSED.value, code=outcome.code)
        elif outcome.action is SlotAction.OPEN_WATCH and outcome.tr_id == TRADES_KRX:
            self._unquoted.append(outcome.code)
            self._subscribed.set()
        slot = slots.slots.get((outcome.code, TRADES_KRX))
        if slot is not None:
            row = {"code": outcome.code, "day": self._day.day, "state": slot.state.value}
            self._daybook.index.database.put(control.SLOTS, {**row, "changed_ns": self._clock.wall_ns()})

    def _tell_velocity(self) -> None:
        """Tell which codes are fast, each at most once in the window."""
        rule = self._settings.triggers.trade_velocity
        if not rule.enabled:
            return
        now_ns = self._clock.monotonic_ns()
        window_ns = VELOCITY_SECONDS * NANOSECONDS
        fast = {
            code: trades
            for code, trades in self._pace.counts(now_ns).items()
            if trades >= rule.threshold * VELOCITY_SECONDS
            and now_ns - self._told_velocity.get(code, -window_ns) >= window_ns
        }
        if fast:
            self._told_velocity.update(dict.fromkeys(fast, now_ns))
            self._tell(input=Input.VELOCITY.value, trades=fast)

    def _tell(self, **fact: Any) -> None:
        """Journal an input, hand it to the engine, do what it wants."""
        data = note(NoteKind.TRACK_B, day=self._day.day, at_ns=self._now_ns(), **fact)
        self._daybook.own(Kind.NOTE, data)
        step = self.engine.take(data)
        self._keep(data, step)
        self.fired.update(step.fired)
        self.decided.update(made.decision for made in step.made)
        self._daybook.index.turned_away(self._day.day, step.turned_away)
        if step.made:
            self._wish()

    def _keep(self, data: bytes, step: Step) -> None:
        if step.line:
            self._files.add(json.loads(data)["at_ns"], step.line)

    def _wish(self) -> None:
        """Hand the wanted codes to the stream and to control.db when they changed."""
        wanted = self.engine.wanted
        self._stream.want(wanted)
        if wanted == self._last_wanted:
            return
        self._last_wanted = wanted
        self._daybook.index.chosen(self.engine)

    async def _until(self, second: int) -> None:
        await sleep_until_wall(self._clock, self._day.midnight_ns + second * NANOSECONDS)

    def _second(self) -> int:
        return self._day.timetable.second()

    def _now_ns(self) -> int:
        """Return the engine's time line: the wall clock of the start, moved on by the monotonic clock (OB-004)."""
        return self._ahead_ns + self._clock.monotonic_ns()


def registered_for(settings: RecordSettings) -> tuple[str, ...]:
    """Return what every code is registered for (KIS-162)."""
    return (TRADES_KRX, BOOK_KRX) if settings.track_b.books else (TRADES_KRX,)
