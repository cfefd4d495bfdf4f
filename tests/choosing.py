"""A chooser of slots without a socket: a clock moved by hand, rankings and sweeps that answer as told."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.tape import DAY

from veritape.observer.adapters.chooser import Chooser, ChosenDay, registered_for
from veritape.observer.adapters.control_index import journalled_inputs
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.quote_check import QuoteCheck
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.recording_day import day_start_ns
from veritape.observer.adapters.stream import Stream
from veritape.observer.adapters.timetable import Timetable
from veritape.observer.quotes import Quote
from veritape.observer.reactions import Answer, classify
from veritape.observer.sessions import Hours
from veritape.observer.settings import RecordSettings
from veritape.observer.track_a import Cycle
from veritape.observer.track_b import replay
from veritape.wire.kis.rest import VOLUME_RANK, Call

SECOND, OPEN = 10**9, 32_400
HOURS = Hours(OPEN, OPEN + 23_400)
SYMBOLS = {
    f"{number:06}": {"market_cap_100m_krw": 50_000, "previous_shares": 40 * 10_000} for number in range(60)
}


class HandClock:
    """A clock that stands until it is moved; who sleeps moves it when nobody else is left."""

    def __init__(self, second: float = OPEN - 300) -> None:
        self.midnight_ns = day_start_ns(DAY)
        self.second = second
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def wall_ns(self) -> int:
        return self.midnight_ns + int(self.second * SECOND)

    def monotonic_ns(self) -> int:
        return int(self.second * SECOND)

    async def sleep_until(self, monotonic_ns: int) -> None:
        woken = asyncio.Event()
        self._sleepers.append((monotonic_ns / SECOND, woken))
        await woken.wait()

    async def move_to(self, second: float) -> None:
        """Wake whoever is due on the way, in order."""
        while True:
            for _ in range(20):
                await asyncio.sleep(0)
            due = sorted((at for at, _ in self._sleepers if at <= second))
            if not due:
                break
            self.second = max(self.second, due[0])
            for sleeper in [one for one in self._sleepers if one[0] <= self.second]:
                self._sleepers.remove(sleeper)
                sleeper[1].set()
        self.second = second


class Rankings:
    """A broker's REST side that answers rankings with the wire's bytes."""

    def __init__(self, *codes: str, refuse: str = "") -> None:
        self.codes, self.refuse, self.asked = list(codes), refuse, list[tuple[float, str]]()
        self.clock: HandClock | None = None

    async def quotation(self, call: Call, _parameters: Any, _lane: Any) -> Answer:
        assert self.clock is not None
        self.asked.append((self.clock.second, call.tr_id))
        if self.refuse:
            body = {"rt_cd": "1", "msg_cd": self.refuse, "msg1": "no"}
            return classify(200, json.dumps(body).encode())
        field = "mksc_shrn_iscd" if call is VOLUME_RANK else "stck_shrn_iscd"
        rows = [{field: code, "data_rank": str(rank)} for rank, code in enumerate(self.codes, 1)]
        return classify(200, json.dumps({"rt_cd": "0", "msg_cd": "MCA00000", "output": rows}).encode())


class ContextSweeper:
    """Answers a context sweep for some codes."""

    def __init__(self, answered: Iterable[str], surging: str = "000005") -> None:
        self.answered, self.surging, self.cycles = set(answered), surging, list[Cycle]()

    async def sweep(self, cycle: Cycle, *_: Any) -> dict[str, Any]:
        self.cycles.append(cycle)
        for code in self.answered:
            cycle.quotes[code] = (quote(code, 900_000 if code == self.surging else 10_000), 0, 0)
        return {}


def quote(code: str, shares: int, price: int = 10_000) -> Quote:
    return Quote(code, price, 10_000, 10_000, 10_000, 0, 0, 0, 0, shares, shares * 10_000, 10_000)


def settings(data: Path, triggers: Any = None, **track_b: Any) -> RecordSettings:
    return RecordSettings.model_validate(
        {"observer": {"data_dir": data}, "kis": {"appkey": "k", "appsecret": "s"}, "track_b": track_b,
         "triggers": triggers or {}}
    )  # fmt: skip


def chosen_day(clock: HandClock, hours: Hours = HOURS) -> ChosenDay:
    return ChosenDay(DAY, clock.midnight_ns, Timetable(hours, clock.midnight_ns, clock), SYMBOLS)


class Live:
    """A chooser without a socket."""

    def __init__(self, data: Path, clock: HandClock, rest: Any = None, **track_b: Any) -> None:
        self.clock, self.said = clock, list[str]()
        recording = Recording(data)
        options = JournalOptions(recording.journal_folder, reserve_bytes=0)
        self.book = Daybook(recording, options, clock, lambda _: None)
        self.settings = settings(data, **track_b)
        tr_ids = registered_for(self.settings)
        limit = self.settings.track_b.limit
        self.stream = Stream("ws://127.0.0.1:1", rest, self.book, clock, limit, 60, tr_ids)
        if isinstance(rest, Rankings):
            rest.clock = clock
        self.chooser = Chooser(
            self.settings, rest, self.book, clock, QuoteCheck(rest, self.book.recording.recorder, clock),
            self.stream, self.said.append,
        )  # fmt: skip
        self.day = chosen_day(clock)

    async def log(self) -> bytes:
        """Return the decision log as the journal gives it."""
        await self.book.flush()
        return b"".join(replay(journalled_inputs(self.book.recording.journal_folder, DAY))[1])


@asynccontextmanager
async def live(data: Path, clock: HandClock, rest: Any = None, **track_b: Any) -> AsyncIterator[Live]:
    one = Live(data, clock, rest, **track_b)
    try:
        yield one
    finally:
        await one.book.close()
