"""The recorder of Binance at work: stream, questions, seals, days (OB-901 to 908).

There is no session here: the venue trades around the clock, and a day is over when the venue's own clock has passed its
end. What is asked is decided by ``Inquiry``; an answer counts once it is durable, as everything else.
"""

import asyncio
import contextlib
from collections.abc import Callable

from veritape.kernel.canonical import canonical_json
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.files import write_atomically
from veritape.observer.adapters.binance.recording import BinanceRecording
from veritape.observer.adapters.binance.rest import BinanceRest, Reply
from veritape.observer.adapters.binance.stream import BinanceStream
from veritape.observer.adapters.daybook import VenueDaybook
from veritape.observer.adapters.segment_files import Seal
from veritape.observer.adapters.spare_memory import give_back
from veritape.observer.binance.inquiry import Due, Inquiry, Plan
from veritape.observer.binance.questions import Question, answer_bytes, ask_end
from veritape.observer.binance.settings import BinanceRecordSettings
from veritape.observer.binance.trade_ids import utc_day
from veritape.observer.gaps import Cause
from veritape.observer.journal import Kind
from veritape.observer.notes import NoteKind
from veritape.wire.binance.streams import BOOK_TICKER, DEPTH, TRADE

LOOK_EVERY_S = 5
"""Seconds between two looks for hours to seal and days to close."""

END_SECONDS = 3
"""Real time that the questions about the end have when the recorder stops (OB-971)."""

END_QUESTIONS = 5
"""Times that they are asked: the venue's database may be behind its stream."""

AGAIN_NS = NANOSECONDS // 4
"""Between two of them."""


class Watching:
    """One process that records."""

    def __init__(
        self,
        settings: BinanceRecordSettings,
        daybook: VenueDaybook[BinanceRecording],
        rest: BinanceRest,
        clock: Clock,
        say: Callable[[str], None],
    ) -> None:
        own = settings.binance
        self._codes = own.codes
        self._delay_s = settings.segments.seal_delay_seconds
        self._daybook = daybook
        self._recording = daybook.recording
        self._rest = rest
        self._clock = clock
        self._say = say
        streams = (TRADE, *([BOOK_TICKER] if own.book_ticker else []), *([DEPTH] if own.depth else []))
        self.stream = BinanceStream(
            own.stream_url, own.codes, streams, daybook, clock, settings.session.silence_seconds
        )
        """The connection."""
        self._fills = settings.backfill.enabled
        plan = Plan(
            own.codes,
            settings.backfill.after_seconds * NANOSECONDS,
            own.check_seconds * NANOSECONDS,
            books=own.depth,
            fill=self._fills,
        )
        self.inquiry = Inquiry(plan, self._recording.recorder)
        """What is asked of the venue."""

    async def run(self, only: str | None = None) -> None:
        """Record until cancelled, or until the one day is closed; cancel it to stop within seconds."""
        work = [
            asyncio.create_task(part) for part in (self.stream.run(), self._ask(), self._close_days(only))
        ]
        try:
            await self._daybook.loaded
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in work[1:]:
                task.cancel()
            await asyncio.gather(*work[1:], return_exceptions=True)
            await self._stop()
            work[0].cancel()
            await asyncio.gather(work[0], return_exceptions=True)

    async def _ask(self) -> None:
        while True:
            await self.stream.live.wait()
            now_ns = self._clock.monotonic_ns()
            due = self.inquiry.next(now_ns, self._today())
            if isinstance(due, Due):
                reply = await self._answer(due.question)
                self.inquiry.asked(due, reply.status if reply else 0, self._clock.monotonic_ns())
            else:
                await self._clock.sleep_until(due)

    async def _answer(self, question: Question) -> Reply | None:
        """Ask, journal the answer, wait until it is durable and believed."""
        reply = await self._rest.ask(question)
        if reply is not None:
            self._daybook.own(Kind.REST, answer_bytes(question, reply.status, reply.body))
            await self._daybook.flush()
        return reply

    async def _close_days(self, only: str | None) -> None:
        while True:
            await self._clock.sleep_until(self._clock.monotonic_ns() + LOOK_EVERY_S * NANOSECONDS)
            for day in sorted(self._recording.recorder.days):
                self._tell(day, self._recording.seal_due(day, self._delay_s))
            for day in self._recording.days_over(self._delay_s):
                await self._close_day(day)
                if day == only:
                    return

    async def _close_day(self, day: str) -> None:
        """Finish a day: describe what stays missing, seal, audit, forget the days before."""
        if self._fills:
            for question in self.inquiry.bars(day):
                await self._answer(question)
        self._daybook.note(NoteKind.CLOSED, day=day)
        await self._daybook.flush()
        self._tell(day, self._recording.seal_due(day, 0, all_hours=True))
        self._recording.write_fills(day)
        document = self._recording.audit(day, self._clock.wall_ns())
        content = canonical_json(document)
        path = self._recording.data / "export" / f"audit_{day}.json"
        write_atomically(path, content)
        self._daybook.index.exported(path, "audit", day, content, self._clock.wall_ns())
        self._recording.forget_before(day)
        give_back()
        verdict = "every line closes" if document["closed"] else "NOT every line closes"
        self._say(f"day {day} is over: {verdict}")

    async def _stop(self) -> None:
        """Close the stream, then anchor where it ended (OB-905)."""
        await self.stream.finish(Cause.OPERATOR_STOP)
        await self._daybook.flush()
        recorder = self._recording.recorder
        if recorder.venue_us and not self._daybook.failed.done():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    for code in self._codes:
                        await self._anchor(code)
        for day in list(recorder.days):
            self._recording.write_fills(day)

    async def _anchor(self, code: str) -> None:
        """Ask where a symbol's recording ended until the venue's answer is as new as the stream."""
        symbol = self._recording.recorder.symbol(code)
        for _ in range(END_QUESTIONS):
            before = dict(symbol.tips)
            await self._answer(ask_end(code))
            if symbol.tips != before or symbol.axis.end is None:
                return
            await self._clock.sleep_until(self._clock.monotonic_ns() + AGAIN_NS)

    def _today(self) -> str:
        """Return the venue's day; ours before its first message."""
        return utc_day(self._recording.recorder.venue_us or self._clock.wall_ns() // 1000)

    def _tell(self, day: str, seals: list[Seal]) -> None:
        for seal in seals:
            self._daybook.index.sealed(seal)
            self._say(f"sealed {seal.path.name} of {day}: {seal.document['rows']:,} trades")
        if seals:
            self._daybook.checkpoint(day)
