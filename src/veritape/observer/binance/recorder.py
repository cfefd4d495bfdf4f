"""The recorder's memory of its symbols: every durable frame goes in, lines, rows to seal and statements come out (OB-901).

As for KRX, ``apply`` takes journal frames in journal order and is the only way in, live as after a restart, so what is
believed can be recomputed from the journal alone (OB-512). Answers of the REST side are frames too: what was asked of the
venue is evidence like anything that it sent.

Notes are those of ``NoteKind`` that the KRX recorder writes: ``watch_opened`` and ``watch_closed`` name a ``code``,
``closed`` a ``day``; the time of each is its frame's own.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from veritape.observer.binance.answers import (
    Refused,
    Snapshot,
    read_aggregates,
    read_bars,
    read_snapshot,
    read_trades,
)
from veritape.observer.binance.lines import Cursor, Filled, Span, Symbol
from veritape.observer.binance.messages import DepthUpdate, Refusal, Trade, parse_message
from veritape.observer.binance.questions import OK, Answered, Purpose, read_answer
from veritape.observer.binance.trade_ids import DAY_US, Outcome, day_start_us, utc_day
from veritape.observer.gaps import Cause
from veritape.observer.journal import Frame, Kind
from veritape.observer.notes import NoteKind
from veritape.observer.recorder import Applied
from veritape.wire.binance.rest import HISTORICAL_TRADES

HOUR_US: Final = DAY_US // 24
"""Microseconds of a segment."""

QUARANTINED_KEPT: Final = 10_000
"""Unread messages that are remembered as causes."""


class Row(NamedTuple):
    """One recorded trade as it goes into a segment (OB-552)."""

    trade: Trade
    sequence: int
    """The frame's sequence on its connection."""
    received_us: int
    """Wall clock, microseconds UTC."""


@dataclass
class Day:
    """What waits for its files, of one UTC day."""

    rows: dict[int, list[Row]] = field(default_factory=dict)
    """Hour -> recorded trades."""
    filled: list[Filled] = field(default_factory=list)
    """Fetched trades."""
    closed_ns: int | None = None
    """Wall clock at which the recorder finished the day; None while it lasts."""


class BinanceRecorder:
    """All symbols and days that are in memory."""

    def __init__(self) -> None:
        self.symbols: dict[str, Symbol] = {}
        """By code."""
        self.days: dict[str, Day] = {}
        """By UTC date."""
        self.quarantined: list[Span] = []
        """When messages came that could not be read."""
        self.refused: dict[tuple[Purpose, str], int] = {}
        """(purpose, reason) -> answers that could not be read."""
        self.venue_us = 0
        """The venue's clock: sending time of its newest message but one, so that a damaged one cannot move it."""
        self.touched: set[str] = set()
        """Days that trades were recorded of since the last ``take_touched``."""
        self._sent_us = 0
        self._last_received_ns = 0

    def symbol(self, code: str) -> Symbol:
        """Return a symbol, begun when it is new."""
        if code not in self.symbols:
            self.symbols[code] = Symbol(code)
        return self.symbols[code]

    def day(self, day: str) -> Day:
        """Return a day, begun when it is new."""
        return self.days.setdefault(day, Day())

    def apply(self, frame: Frame) -> Applied:
        """Take one durable frame."""
        applied = Applied()
        if frame.kind in {Kind.TEXT, Kind.BINARY}:
            self._message(frame, applied)
        elif frame.kind is Kind.REST:
            answer = read_answer(frame.data)
            if answer is not None:
                self._answer(answer, frame.received_ns)
        elif frame.kind is Kind.NOTE:
            self._note(json.loads(frame.data), frame.received_ns)
        self._last_received_ns = max(self._last_received_ns, frame.received_ns)
        return applied

    def take_rows(self, day: str, hour: int) -> list[Row]:
        """Hand over the rows of an hour for its segment, by symbol and trade id."""
        rows = self.days[day].rows.pop(hour, [])
        return sorted(rows, key=lambda row: (row.trade.code, row.trade.trade_id))

    def forget_sealed(self, day: str, hour: int, sealed: set[tuple[str, int]]) -> None:
        """Drop rows that a segment already holds, by (code, trade id): after a restart."""
        rows = self.days[day].rows if day in self.days else {}
        left = [row for row in rows.pop(hour, []) if (row.trade.code, row.trade.trade_id) not in sealed]
        if left:
            rows[hour] = left

    def forget_before(self, day: str) -> None:
        """Drop the days before one that is closed."""
        for old in [one for one in self.days if one < day]:
            del self.days[old]
        start_ns = day_start_us(day) * 1000
        self.quarantined = [span for span in self.quarantined if span.start_ns >= start_ns]
        for symbol in self.symbols.values():
            symbol.forget_before(day)
            ended = [span for span in symbol.watches if span.end_ns is not None and span.end_ns < start_ns]
            symbol.watches = symbol.watches[max(0, len(ended) - 1) :]

    def _message(self, frame: Frame, applied: Applied) -> None:
        message = parse_message(frame.data, binary=frame.kind is Kind.BINARY, with_levels=False)
        if isinstance(message, Trade):
            self._trade(frame, message, applied)
        elif isinstance(message, DepthUpdate):
            self.symbol(message.code).book.changed(message)
            self._venue_clock(message.sent_us)
        elif isinstance(message, Refusal):
            applied.refusal = message
            if len(self.quarantined) < QUARANTINED_KEPT:
                at_ns = frame.received_ns
                self.quarantined.append(Span(at_ns, at_ns, Cause.FRAME_QUARANTINED))

    def take_touched(self) -> set[str]:
        """Hand over the days that trades were recorded of."""
        touched, self.touched = self.touched, set()
        return touched

    def _venue_clock(self, sent_us: int) -> None:
        """Take a message's sending time; two messages must agree that it is so late."""
        self.venue_us = max(self.venue_us, min(self._sent_us, sent_us))
        self._sent_us = sent_us

    def _trade(self, frame: Frame, trade: Trade, applied: Applied) -> None:
        self._venue_clock(trade.sent_us)
        outcome, opened = self.symbol(trade.code).receive(trade, frame.received_ns)
        applied.holes += opened
        applied.duplicates += outcome is Outcome.DUPLICATE
        applied.late += outcome is Outcome.LATE
        if outcome is not Outcome.DUPLICATE:
            applied.recorded += 1
            hour = trade.event_us % DAY_US // HOUR_US
            day = utc_day(trade.event_us)
            rows = self.day(day).rows.setdefault(hour, [])
            rows.append(Row(trade, frame.sequence, frame.received_ns // 1000))
            self.touched.add(day)

    def _answer(self, answer: Answered, received_ns: int) -> None:
        if answer.status != OK:
            return
        symbol = self.symbol(answer.code)
        refused = _TAKERS[answer.purpose](self, symbol, answer, received_ns)
        if refused is not None:
            key = (answer.purpose, refused.reason.value)
            self.refused[key] = self.refused.get(key, 0) + 1

    def _tip(self, symbol: Symbol, answer: Answered, received_ns: int) -> Refused | None:
        found = read_aggregates(answer.body)
        if isinstance(found, Refused):
            return found
        for aggregate in found[-1:]:
            symbol.tip(aggregate, received_ns)
        return None

    def _end(self, symbol: Symbol, answer: Answered, received_ns: int) -> Refused | None:
        found = read_aggregates(answer.body)
        if isinstance(found, Refused):
            return found
        symbol.ended(found, self.venue_us, received_ns)
        symbol.see_days(found)
        return None

    def _day_start(self, symbol: Symbol, answer: Answered, _received_ns: int) -> Refused | None:
        found = read_aggregates(answer.body)
        if isinstance(found, Refused):
            return found
        for aggregate in found[:1]:
            symbol.begins(aggregate)
        return None

    def _fill(self, symbol: Symbol, answer: Answered, received_ns: int) -> Refused | None:
        single = answer.path == HISTORICAL_TRADES.path
        found = (read_trades if single else read_aggregates)(answer.body)
        if isinstance(found, Refused):
            return found
        for aggregate in found:
            filled = symbol.fill(aggregate, received_ns, single=single)
            if filled is not None:
                self.day(utc_day(filled.event_us)).filled.append(filled)
        symbol.see_days(found)
        if found:
            symbol.cursor = Cursor(found[-1].last_id, None if single else found[-1].aggregate_id + 1)
        return None

    def _snapshot(self, symbol: Symbol, answer: Answered, _received_ns: int) -> Refused | None:
        found = read_snapshot(answer.body)
        if not isinstance(found, Snapshot):
            return found
        symbol.book.snapshot(found.last_update_id)
        return None

    def _bars(self, symbol: Symbol, answer: Answered, _received_ns: int) -> Refused | None:
        found = read_bars(answer.body)
        if isinstance(found, Refused):
            return found
        for bar in found:
            symbol.describe(bar)
        return None

    def _note(self, note: dict[str, Any], received_ns: int) -> None:
        kind = NoteKind(note["note"])
        if kind is NoteKind.STARTED:
            for symbol in self.symbols.values():
                _close(symbol, self._last_received_ns, Cause.PROCESS_DOWN)
        elif kind is NoteKind.WATCH_OPENED:
            symbol = self.symbol(note["code"])
            _close(symbol, received_ns, Cause.NOT_WATCHED)
            symbol.watches.append(Span(received_ns, None, None))
        elif kind is NoteKind.WATCH_CLOSED:
            _close(self.symbol(note["code"]), received_ns, Cause(note["cause"]))
        elif kind is NoteKind.CLOSED:
            self.day(note["day"]).closed_ns = received_ns
            for symbol in self.symbols.values():
                symbol.line(note["day"])


def _close(symbol: Symbol, at_ns: int, cause: Cause) -> None:
    if symbol.watches and symbol.watches[-1].end_ns is None:
        symbol.watches[-1] = Span(symbol.watches[-1].start_ns, at_ns, cause)


_TAKERS: Final = {
    Purpose.TIP: BinanceRecorder._tip,  # noqa: SLF001 - the table of its own methods
    Purpose.END: BinanceRecorder._end,  # noqa: SLF001 - as above
    Purpose.DAY_START: BinanceRecorder._day_start,  # noqa: SLF001 - as above
    Purpose.FILL: BinanceRecorder._fill,  # noqa: SLF001 - as above
    Purpose.SNAPSHOT: BinanceRecorder._snapshot,  # noqa: SLF001 - as above
    Purpose.BARS: BinanceRecorder._bars,  # noqa: SLF001 - as above
}
