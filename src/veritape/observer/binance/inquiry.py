"""What to ask the venue next: anchors, books, missed midnights, holes (OB-903, OB-904, OB-905).

Pure: reads the recorder, takes the monotonic clock, returns a question or the time to look again. Nothing is asked twice in
a row without a pause, and what the venue cannot say is asked ever more seldom.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from veritape.kernel.clock import NANOSECONDS
from veritape.observer.binance.lines import Symbol
from veritape.observer.binance.questions import (
    OK,
    Purpose,
    Question,
    ask_aggregates,
    ask_bars,
    ask_day_start,
    ask_snapshot,
    ask_tip,
    ask_trades,
)
from veritape.observer.binance.recorder import BinanceRecorder
from veritape.observer.binance.trade_ids import DAY_US, Hole, day_start_us
from veritape.wire.binance.rest import HISTORICAL_TRADES

PAUSES_NS: Final = tuple(seconds * NANOSECONDS for seconds in (2, 10, 30, 60, 300, 900))
"""Between two times that the same thing is asked: it grows while the answers bring nothing."""

LOOK_NS: Final = NANOSECONDS
"""When to look again where nothing is due."""

NOT_SERVED: Final = frozenset({400, 401, 403, 404, 405})
"""Statuses by which the venue says that it does not serve a call to us."""

HOLES_ASKED: Final = 200
"""Holes of a symbol that wait for answers at once: more would be a broken line, not a backfill."""


class Key(NamedTuple):
    """What a question is about: the same key, the same question."""

    purpose: Purpose
    code: str
    detail: int | str
    """Left id of a hole, or a day."""


class Due(NamedTuple):
    """A question that may be asked, and what it is about."""

    key: Key
    question: Question


@dataclass(frozen=True)
class Plan:
    """What is wanted."""

    codes: tuple[str, ...]
    """Symbols."""
    fill_after_ns: int
    """Age from which a hole is fetched: late messages come first."""
    tip_every_ns: int
    """Time between two checks that the stream is where the venue is."""
    books: bool = True
    """Whether book changes are recorded and need snapshots."""
    fill: bool = True
    """Whether holes are fetched."""


class Inquiry:
    """Remembers what was asked when."""

    def __init__(self, plan: Plan, recorder: BinanceRecorder) -> None:
        self._plan = plan
        self._recorder = recorder
        self._asked: dict[Key, tuple[int, int]] = {}
        self._seen: dict[Key, int] = {}
        self._tips: dict[str, int] = {}
        self.single_trades = True
        """Whether the venue serves single trades by id; the first refusal ends it for this process (OB-904)."""

    def next(self, now_ns: int, today: str) -> Due | int:
        """Return the next question, or when to look again.

        Args:
            now_ns: monotonic clock.
            today: UTC day by the wall clock.
        """
        wanted = list(self._wanted(now_ns, today))
        still = {due.key for due in wanted}
        self._asked = {key: when for key, when in self._asked.items() if key in still}
        again_ns = now_ns + LOOK_NS
        for due in wanted:
            wait_ns = self._due_ns(due.key)
            if wait_ns <= now_ns:
                return due
            again_ns = min(again_ns, wait_ns)
        return again_ns

    def asked(self, due: Due, status: int, now_ns: int) -> None:
        """Note that a question was answered, with its status; what it brought shows in the recorder."""
        key, question = due
        times = self._asked.get(key, (0, 0))[1]
        self._asked[key] = (now_ns, times + 1)
        if key.purpose is Purpose.TIP and status == OK:
            self._tips[key.code] = now_ns
        if question.endpoint is HISTORICAL_TRADES and status in NOT_SERVED:
            self.single_trades = False
            del self._asked[key]

    def bars(self, day: str) -> list[Question]:
        """Return the questions about what stays missing of a day that is over."""
        return [
            ask_bars(code, hole)
            for code in self._plan.codes
            for hole in self._symbol(code).axis.holes()[:HOLES_ASKED]
            if day_start_us(day) <= hole.right.event_us and hole.left.event_us < day_start_us(day) + DAY_US
        ]

    def _wanted(self, now_ns: int, today: str) -> Iterator[Due]:
        for code in self._plan.codes:
            symbol = self._symbol(code)
            if code not in self._tips or now_ns - self._tips[code] >= self._plan.tip_every_ns:
                yield Due(Key(Purpose.TIP, code, ""), ask_tip(code))
            if self._plan.books and symbol.book.wants_snapshot:
                yield Due(Key(Purpose.SNAPSHOT, code, symbol.book.breaks), ask_snapshot(code))
            for day in _missed_starts(symbol, today):
                yield Due(Key(Purpose.DAY_START, code, day), ask_day_start(code, day))
        if self._plan.fill:
            yield from self._fills(now_ns)

    def _fills(self, now_ns: int) -> Iterator[Due]:
        seen: dict[Key, int] = {}
        for code in self._plan.codes:
            symbol = self._symbol(code)
            for hole in symbol.axis.holes()[:HOLES_ASKED]:
                key = Key(Purpose.FILL, code, hole.left.trade_id)
                goes_on = symbol.cursor is not None and symbol.cursor.trade_id == hole.left.trade_id
                seen[key] = self._seen.get(key, now_ns - self._plan.fill_after_ns if goes_on else now_ns)
                if now_ns - seen[key] >= self._plan.fill_after_ns:
                    yield Due(key, self._ask_fill(symbol, hole))
        self._seen = seen

    def _ask_fill(self, symbol: Symbol, hole: Hole) -> Question:
        if self.single_trades:
            return ask_trades(symbol.code, hole)
        cursor = symbol.cursor
        goes_on = cursor is not None and cursor.trade_id == hole.left.trade_id
        return ask_aggregates(symbol.code, hole, cursor.next_aggregate if cursor and goes_on else None)

    def _due_ns(self, key: Key) -> int:
        if key not in self._asked:
            return 0
        at_ns, times = self._asked[key]
        return at_ns + PAUSES_NS[min(times, len(PAUSES_NS)) - 1]

    def _symbol(self, code: str) -> Symbol:
        return self._recorder.symbol(code)


def _missed_starts(symbol: Symbol, today: str) -> Sequence[str]:
    """Return the days that began, as far as the axis tells, inside a hole: the venue knows their first trade."""
    return [
        day for day in sorted(symbol.lines)
        if day <= today and symbol.axis.runs and symbol.axis.first_of(day) is None
        and symbol.axis.runs[0].first.event_us < day_start_us(day)
    ]  # fmt: skip
