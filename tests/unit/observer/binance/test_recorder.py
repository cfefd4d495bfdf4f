"""Frames in; trades, chain facts and gaps out."""

import json

import pytest
from tests.binance import CODE, FIRST, FIRST_ID, LAST_ID, MIDNIGHT_ID, SECOND, Venue, frames, trades
from tests.unit.observer.binance.answering import answered, own

from veritape.observer.binance.lines import Span, Totals
from veritape.observer.binance.messages import MessageReason
from veritape.observer.binance.questions import (
    Purpose,
    Question,
    answer_bytes,
    ask_aggregates,
    ask_bars,
    ask_day_start,
    ask_end,
    ask_snapshot,
    ask_tip,
    ask_trades,
)
from veritape.observer.binance.recorder import QUARANTINED_KEPT, BinanceRecorder
from veritape.observer.binance.trade_ids import Hole
from veritape.observer.gaps import Cause
from veritape.observer.journal import Kind
from veritape.observer.notes import NoteKind, note
from veritape.observer.recorder import Applied

EVERYTHING = ("trade", "bookTicker", "depth@100ms")


def recorded(*days: str, lost: frozenset[int] = frozenset()) -> BinanceRecorder:
    recorder = BinanceRecorder()
    for frame, trade in zip(frames(*days), trades(*days), strict=True):
        if trade.trade_id not in lost:
            recorder.apply(frame)
    return recorder


def hole(recorder: BinanceRecorder) -> Hole:
    return recorder.symbols[CODE].axis.holes()[0]


def test_both_captures_lie_on_two_lines_by_the_venue_s_own_midnight() -> None:
    """OB-1026, OB-905, OB-906: 9,738 and 10,166 trades; the first file's last 19 belong to the second day."""
    recorder = recorded(FIRST, SECOND)
    lines = recorder.symbols[CODE].lines
    assert {day: line.recorded.trades for day, line in lines.items()} == {FIRST: 9_738, SECOND: 10_166}
    assert recorder.symbols[CODE].axis.day_starts == {SECOND: MIDNIGHT_ID}
    assert {hour: len(rows) for hour, rows in recorder.days[FIRST].rows.items()} == {23: 9_738}
    assert {hour: len(rows) for hour, rows in recorder.days[SECOND].rows.items()} == {0: 10_166}


def test_every_stream_of_a_capture_with_its_snapshot() -> None:
    """OB-906: trades, best prices and book changes side by side; the book is valid from the snapshot on."""
    recorder, counts = BinanceRecorder(), Applied()
    for place, frame in enumerate(frames(FIRST, streams=EVERYTHING)):
        if place == 7:
            recorder.apply(answered(ask_snapshot(CODE), Venue(), frame.received_ns))
        applied = recorder.apply(frame)
        counts.recorded += applied.recorded
        counts.holes += applied.holes
    book = recorder.symbols[CODE].book
    assert (counts.recorded, counts.holes, book.updates, book.breaks, book.is_valid) == (
        9_757,
        0,
        3_451,
        0,
        True,
    )


def test_what_a_frame_did() -> None:
    """OB-902: recorded, a hole opened, late, duplicate, not read."""
    recorder, own_frames = BinanceRecorder(), list(frames(FIRST))[:3]
    assert recorder.apply(own_frames[0]) == Applied(recorded=1)
    assert recorder.apply(own_frames[2]) == Applied(recorded=1, holes=1)
    assert recorder.apply(own_frames[1]) == Applied(recorded=1, late=1)
    assert recorder.apply(own_frames[1]) == Applied(duplicates=1)
    refusal = recorder.apply(own(Kind.TEXT, b"{")).refusal
    assert refusal is not None
    assert refusal.reason is MessageReason.BAD_JSON
    assert recorder.quarantined == [Span(10**18, 10**18, Cause.FRAME_QUARANTINED)]
    recorder.quarantined *= QUARANTINED_KEPT
    recorder.apply(own(Kind.BINARY, b"{}"))
    assert len(recorder.quarantined) == QUARANTINED_KEPT
    shutdown = {"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 5}}
    assert recorder.apply(own(Kind.TEXT, json.dumps(shutdown).encode())) == Applied()


def test_rows_of_an_hour_by_trade_id_without_those_that_are_sealed() -> None:
    """OB-552: order (code, trade_id), late trades in their place."""
    recorder, three = BinanceRecorder(), list(frames(FIRST))[:3]
    for place in (0, 2, 1):
        recorder.apply(three[place])
    recorder.forget_sealed(FIRST, 23, {(CODE, FIRST_ID)})
    recorder.forget_sealed("20200101", 23, set())
    rows = recorder.take_rows(FIRST, 23)
    assert [row.trade.trade_id for row in rows] == [FIRST_ID + 1, FIRST_ID + 2]
    assert [row.sequence for row in rows] == [2, 3]
    assert recorder.take_rows(FIRST, 23) == []
    recorder.apply(three[0])
    recorder.forget_sealed(FIRST, 23, {(CODE, FIRST_ID)})
    assert recorder.days[FIRST].rows == {}


@pytest.mark.parametrize("single", [True, False])
def test_holes_are_filled_by_single_trades_or_by_aggregates(single: bool) -> None:
    """OB-904: both ways give the lost trades' number, quantity and value."""
    lost = frozenset(range(FIRST_ID + 100, FIRST_ID + 160))
    recorder, venue = recorded(FIRST, lost=lost), Venue(single_trades=single)
    question = ask_trades(CODE, hole(recorder)) if single else ask_aggregates(CODE, hole(recorder), None)
    recorder.apply(answered(question, venue))
    truth = Totals(0, 0, 0)
    for one in trades(FIRST):
        if one.trade_id in lost:
            truth = truth.plus(Totals(1, one.quantity, one.price * one.quantity))
    assert recorder.symbols[CODE].lines[FIRST].backfilled == truth
    assert recorder.symbols[CODE].axis.holes() == []
    assert sum(one.trades for one in recorder.days[FIRST].filled) == 60
    cursor = recorder.symbols[CODE].cursor
    assert cursor is not None
    assert (cursor.next_aggregate is None) == single


def test_midnight_that_was_missed_is_asked_of_the_venue() -> None:
    """OB-905: the id of the day's first trade."""
    lost = frozenset(range(MIDNIGHT_ID - 5, MIDNIGHT_ID + 5))
    recorder = recorded(FIRST, SECOND, lost=lost)
    assert recorder.symbols[CODE].axis.day_starts == {}
    recorder.apply(answered(ask_day_start(CODE, SECOND), Venue()))
    assert recorder.symbols[CODE].axis.day_starts == {SECOND: MIDNIGHT_ID}


def test_the_newest_trade_and_bars() -> None:
    """OB-904, OB-905: the anchor of the end; what the minutes of a hole held."""
    lost = frozenset(range(FIRST_ID + 100, FIRST_ID + 160))
    recorder = recorded(FIRST, SECOND, lost=lost)
    recorder.apply(answered(ask_tip(CODE), Venue()))
    assert recorder.symbols[CODE].tips[SECOND].trade_id == LAST_ID
    recorder.apply(answered(ask_bars(CODE, hole(recorder)), Venue()))
    line = recorder.symbols[CODE].lines[FIRST]
    assert sum(bar.trades - line.minutes[minute].trades for minute, bar in line.bars.items()) == 60
    assert line.problems == {}


@pytest.mark.parametrize(
    ("question", "purpose"),
    [(ask_tip(CODE), Purpose.TIP), (ask_end(CODE), Purpose.END), (ask_day_start(CODE, SECOND), Purpose.DAY_START), (ask_snapshot(CODE), Purpose.SNAPSHOT)],
)  # fmt: skip
def test_answers_that_cannot_be_read_are_counted(question: Question, purpose: Purpose) -> None:
    """OB-991: kept in the journal, counted by reason; another status than 200 is no content."""
    recorder = BinanceRecorder()
    recorder.apply(own(Kind.REST, answer_bytes(question, 200, b"<html>")))
    recorder.apply(own(Kind.REST, answer_bytes(question, 503, b"<html>")))
    recorder.apply(own(Kind.REST, b"no answer"))
    assert recorder.refused == {(purpose, "bad_json"): 1}


def test_answers_without_content_change_nothing() -> None:
    """OB-904: a page may be empty; a frame that was sent says nothing."""
    recorder = recorded(FIRST, lost=frozenset({FIRST_ID + 9}))
    missing = hole(recorder)
    for question in (ask_tip(CODE), ask_end(CODE), ask_day_start(CODE, SECOND), ask_trades(CODE, missing)):
        recorder.apply(own(Kind.REST, answer_bytes(question, 200, b"[]")))
    recorder.apply(own(Kind.SENT, b"{}"))
    symbol = recorder.symbols[CODE]
    starts = {SECOND: MIDNIGHT_ID}
    assert (hole(recorder), symbol.cursor, symbol.tips) == (missing, None, {})
    assert symbol.axis.day_starts == starts


def test_unread_answers_about_holes_change_nothing() -> None:
    """OB-991: a hole stays what it was."""
    recorder = recorded(FIRST, lost=frozenset({FIRST_ID + 9}))
    missing = hole(recorder)
    for question in (ask_trades(CODE, missing), ask_bars(CODE, missing)):
        recorder.apply(own(Kind.REST, answer_bytes(question, 200, b"[[]]")))
    assert recorder.refused == {(Purpose.FILL, "bad_row"): 1, (Purpose.BARS, "bad_row"): 1}
    assert hole(recorder) == missing


def test_watches_end_with_a_cause_and_with_the_process() -> None:
    """OB-675, OB-673: a start closes what the process before it watched, at its last frame."""
    recorder = BinanceRecorder()
    recorder.apply(own(Kind.NOTE, note(NoteKind.STARTED), 5))
    recorder.apply(own(Kind.NOTE, note(NoteKind.WATCH_OPENED, code=CODE), 10))
    recorder.apply(own(Kind.NOTE, note(NoteKind.WATCH_CLOSED, code=CODE, cause="ws_disconnect"), 20))
    recorder.apply(own(Kind.NOTE, note(NoteKind.WATCH_OPENED, code=CODE), 30))
    recorder.apply(own(Kind.NOTE, note(NoteKind.STARTED), 40))
    assert recorder.symbols[CODE].watches == [
        Span(10, 20, Cause.WS_DISCONNECT), Span(30, 30, Cause.PROCESS_DOWN)
    ]  # fmt: skip
    recorder.apply(own(Kind.NOTE, note(NoteKind.CLOSED, day=FIRST), 50))
    recorder.apply(own(Kind.NOTE, note(NoteKind.OBSERVATION, day=FIRST, name="n", value="v"), 50))
    assert recorder.days[FIRST].closed_ns == 50


def test_closed_days_are_forgotten() -> None:
    """OB-012: memory does not grow with days."""
    recorder = recorded(FIRST, SECOND)
    recorder.apply(own(Kind.TEXT, b"{", 5))
    for start_ns in (5, 10):
        recorder.apply(own(Kind.NOTE, note(NoteKind.WATCH_OPENED, code=CODE), start_ns))
        recorder.apply(
            own(Kind.NOTE, note(NoteKind.WATCH_CLOSED, code=CODE, cause="ws_silent"), start_ns + 1)
        )
    recorder.forget_before(SECOND)
    symbol = recorder.symbols[CODE]
    assert (list(recorder.days), list(symbol.lines), recorder.quarantined) == ([SECOND], [SECOND], [])
    assert symbol.watches == [Span(10, 11, Cause.WS_SILENT)]
