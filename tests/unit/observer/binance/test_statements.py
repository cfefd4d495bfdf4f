"""What is complete and what is missing of a line."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from tests.binance import (
    CODE,
    FIRST,
    FIRST_ID,
    LAST_ID,
    MIDNIGHT_ID,
    SECOND,
    Venue,
    aggregates,
    frames,
    raw_trades,
    trades,
)
from tests.unit.observer.binance.answering import answered, own

from veritape.observer.audit import Status
from veritape.observer.binance import statements
from veritape.observer.binance.lines import Problem, Span, Totals
from veritape.observer.binance.questions import ask_bars, ask_day_start, ask_end, ask_tip, ask_trades
from veritape.observer.binance.recorder import BinanceRecorder
from veritape.observer.binance.statements import Statement, document, state, text
from veritape.observer.gaps import Cause
from veritape.observer.journal import Kind
from veritape.observer.notes import NoteKind, note

START_NS = 1_723_161_253_000_000_000
"""Before the first capture, by its own clock."""


def watched(
    lost: frozenset[int] = frozenset(),
    *,
    from_id: int = FIRST_ID,
    until_id: int = LAST_ID,
    anchored: bool = True,
) -> BinanceRecorder:
    """Return a recorder that watched both captures, anchored before and after as a running one is."""
    recorder = BinanceRecorder()
    recorder.apply(own(Kind.NOTE, note(NoteKind.WATCH_OPENED, code=CODE), START_NS))
    for frame, trade in zip(frames(FIRST, SECOND), trades(FIRST, SECOND), strict=True):
        if trade.trade_id not in lost and from_id <= trade.trade_id <= until_id:
            recorder.apply(frame)
    if anchored:
        recorder.apply(answered(ask_tip(CODE), Venue(), START_NS + 10**12))
    return recorder


def near_midnight(*, anchored: bool = True) -> BinanceRecorder:
    """Return one that watched the last 300 trades of the first day and the first 300 of the second."""
    return watched(from_id=MIDNIGHT_ID - 300, until_id=MIDNIGHT_ID + 299, anchored=anchored)


def both(recorder: BinanceRecorder) -> tuple[Statement, Statement]:
    return state(recorder, CODE, FIRST), state(recorder, CODE, SECOND)


def truth(*, midnight_id: int = MIDNIGHT_ID) -> tuple[Totals, Totals]:
    sums = [Totals(0, 0, 0), Totals(0, 0, 0)]
    for one in trades(FIRST, SECOND):
        place = int(one.trade_id >= midnight_id)
        sums[place] = sums[place].plus(Totals(1, one.quantity, one.price * one.quantity))
    return sums[0], sums[1]


def test_both_captures_are_complete_over_midnight() -> None:
    """OB-1026, OB-906, OB-905: 19,904 trades on two UTC days, each with both its anchors."""
    first, second = both(watched())
    assert (first.status, second.status) == (Status.COMPLETE, Status.COMPLETE)
    assert (first.first_id, first.last_id) == (FIRST_ID, MIDNIGHT_ID - 1)
    assert (second.first_id, second.last_id) == (MIDNIGHT_ID, LAST_ID)
    assert (first.end_trades, second.end_trades) == (9_738, 10_166)
    assert (first.line.recorded, second.line.recorded) == truth()
    assert (first.closes, second.closes, first.gaps, second.gaps) == (True, True, (), ())


@pytest.mark.parametrize("share", [0.0005, 0.01, 0.3])
def test_random_losses_are_found_exactly_and_the_equation_closes(share: float) -> None:
    """OB-1026, OB-902: recorded + residual = ids between the anchors, with every lost id and no other in a gap."""
    chance = random.Random(f"lost {share}")
    lost = frozenset(
        one.trade_id for one in trades(FIRST, SECOND) if one.trade_id > FIRST_ID and chance.random() < share
    )
    recorder = watched(lost)
    recorder.apply(answered(ask_day_start(CODE, SECOND), Venue()))
    first, second = both(recorder)
    found = {one for s in (first, second) for gap in s.gaps for one in range(gap.first_id, gap.last_id + 1)}
    assert found == lost
    assert (first.closes, second.closes) == (True, True)
    assert (first.end_trades, second.end_trades) == (9_738, 10_166)
    assert {gap.cause for s in (first, second) for gap in s.gaps} == {Cause.FRAME_LOST}


def test_a_fetched_line_closes_in_quantity_and_value_too() -> None:
    """OB-902, OB-904: once filled, recorded + backfilled are what traded."""
    lost = frozenset(range(FIRST_ID + 50, FIRST_ID + 90))
    recorder = watched(lost)
    for hole in recorder.symbols[CODE].axis.holes():
        recorder.apply(answered(ask_trades(CODE, hole), Venue()))
    first, _ = both(recorder)
    assert first.status is Status.COMPLETE_BACKFILLED
    assert first.line.recorded.plus(first.line.backfilled) == truth()[0]
    assert (first.line.backfilled.trades, first.closes) == (40, True)


def test_a_lost_midnight_is_stated_once_the_venue_says_where_it_lies() -> None:
    """OB-905: before, neither line is proven; afterwards each has its part of the hole."""
    recorder = watched(frozenset(range(MIDNIGHT_ID - 5, MIDNIGHT_ID + 3)))
    first, second = both(recorder)
    assert (first.status, second.status) == (Status.UNPROVEN, Status.UNPROVEN)
    assert (first.end_trades, second.exact, second.residual) == (None, False, 8)
    recorder.apply(answered(ask_day_start(CODE, SECOND), Venue()))
    first, second = both(recorder)
    assert (first.status, first.residual, second.status, second.residual) == (
        Status.RESIDUAL, 5, Status.RESIDUAL, 3
    )  # fmt: skip
    assert (first.closes, second.closes) == (True, True)


def test_trades_lost_at_the_end_are_known_from_the_venue_s_newest() -> None:
    """OB-905: the trade id after the last message of the recording."""
    _, second = both(watched(until_id=LAST_ID - 25))
    assert (second.status, second.residual, second.closes) == (Status.RESIDUAL, 25, True)
    assert [(gap.first_id, gap.last_id) for gap in second.gaps] == [(LAST_ID - 24, LAST_ID)]


def test_a_recording_that_ends_is_anchored_at_the_venue_s_time_of_its_last_message() -> None:
    """OB-905: what traded up to then and did not come is missing, on both sides of midnight; what traded later is not."""
    recorder = watched(until_id=MIDNIGHT_ID - 12, anchored=False)
    recorder.venue_us = next(
        one.event_us for one in trades(FIRST, SECOND) if one.trade_id == MIDNIGHT_ID + 40
    )
    recorder.apply(answered(ask_end(CODE), Venue(until_id=MIDNIGHT_ID + 90), START_NS + 10**12))
    last = max(one.trade_id for one in trades(FIRST, SECOND) if one.event_us <= recorder.venue_us)
    first, second = both(recorder)
    assert (first.last_id, first.residual, first.closes) == (MIDNIGHT_ID - 1, 11, True)
    assert (second.first_id, second.last_id, second.residual) == (MIDNIGHT_ID, last, last - MIDNIGHT_ID + 1)
    assert (first.status, second.status) == (Status.RESIDUAL, Status.RESIDUAL)


@pytest.mark.parametrize(
    ("until_id", "moment_us"), [(MIDNIGHT_ID + 100, 1 << 60), (LAST_ID, 1_723_161_600_000_000)]
)
def test_an_answer_that_is_older_than_the_stream_or_too_short_anchors_nothing(
    until_id: int, moment_us: int
) -> None:
    """OB-905: the venue's database may be behind its stream; a thousand aggregates may not reach back."""
    recorder = near_midnight(anchored=False)
    recorder.venue_us = moment_us
    recorder.apply(answered(ask_end(CODE), Venue(until_id=until_id), START_NS + 10**12))
    assert both(recorder)[1].status is Status.UNPROVEN


def test_without_an_anchor_nothing_is_proven() -> None:
    """OB-905: a loss behind the last message cannot be seen by ids alone; an older anchor is none."""
    recorder = near_midnight(anchored=False)
    assert both(recorder)[1].status is Status.UNPROVEN
    recorder.apply(answered(ask_tip(CODE), Venue(until_id=MIDNIGHT_ID + 100)))
    assert both(recorder)[1].status is Status.UNPROVEN


def test_the_trade_before_the_recording_is_no_part_of_it() -> None:
    """OB-905: anchored at the id before; a first message that comes late leaves a hole at the beginning."""
    recorder = BinanceRecorder()
    recorder.apply(own(Kind.NOTE, note(NoteKind.WATCH_OPENED, code=CODE), START_NS))
    recorder.apply(answered(ask_tip(CODE), Venue(until_id=FIRST_ID + 9), START_NS + 5))
    tip_id = next(one["l"] for one in aggregates() if one["l"] >= FIRST_ID + 999)
    for frame in list(frames(FIRST))[20 : tip_id - FIRST_ID + 1]:
        recorder.apply(frame)
    recorder.apply(answered(ask_tip(CODE), Venue(until_id=tip_id), START_NS + 6))
    before, _ = both(recorder)
    assert (before.first_id, before.last_id, before.residual) == (FIRST_ID + 10, tip_id, 10)
    assert (before.status, before.closes) == (Status.RESIDUAL, True)


@pytest.mark.parametrize("problem", sorted(statements.CONTRADICTIONS))
def test_a_contradiction_is_never_complete(problem: Problem) -> None:
    """OB-614: both cannot be true."""
    recorder = near_midnight()
    recorder.symbols[CODE].lines[FIRST].blame(problem)
    assert both(recorder)[0].status is Status.CONTRADICTED


def test_an_equation_that_fails_is_a_contradiction() -> None:
    """OB-606: a planted trade too many is found."""
    recorder = near_midnight()
    line = recorder.symbols[CODE].lines[FIRST]
    line.recorded = line.recorded.plus(Totals(1, 1, 1))
    statement = both(recorder)[0]
    assert (statement.status, statement.closes) == (Status.CONTRADICTED, False)


def test_a_line_that_was_never_watched() -> None:
    """OB-614: only answers of the venue."""
    recorder = BinanceRecorder()
    recorder.symbol(CODE).line(FIRST)
    assert state(recorder, CODE, FIRST).status is Status.SWEPT_ONLY


@pytest.mark.parametrize(
    ("events", "cause"),
    [
        ([(NoteKind.WATCH_CLOSED, {"code": CODE, "cause": "ws_disconnect"}, 2), (NoteKind.WATCH_OPENED, {"code": CODE}, 3)],
         Cause.WS_DISCONNECT),
        ([(NoteKind.STARTED, {}, 2), (NoteKind.WATCH_OPENED, {"code": CODE}, 3)], Cause.PROCESS_DOWN),
        ([], Cause.FRAME_LOST),
    ],
)  # fmt: skip
def test_the_cause_is_what_happened_between_by_our_own_clock(
    events: list[tuple[NoteKind, dict[str, Any], int]], cause: Cause
) -> None:
    """OB-673, OB-907: receive times decide, so that a clock that is behind the venue's blames nobody else."""
    recorder, tape = BinanceRecorder(), list(frames(FIRST))
    recorder.apply(own(Kind.NOTE, note(NoteKind.WATCH_OPENED, code=CODE), START_NS))
    for frame in tape[:50]:
        recorder.apply(frame)
    for kind, facts, after in events:
        recorder.apply(own(Kind.NOTE, note(kind, **facts), tape[49].received_ns + after))
    for frame in tape[60:90]:
        recorder.apply(frame)
    assert [gap.cause for gap in state(recorder, CODE, FIRST).gaps] == [cause]


def test_a_message_that_could_not_be_read_is_the_cause() -> None:
    """OB-673: its bytes are in the journal."""
    recorder, tape = BinanceRecorder(), list(frames(FIRST))[:3]
    recorder.apply(own(Kind.NOTE, note(NoteKind.WATCH_OPENED, code=CODE), START_NS))
    for place, frame in enumerate(tape):
        recorder.apply(frame._replace(data=b"{") if place == 1 else frame)
    assert state(recorder, CODE, FIRST).gaps[0].cause is Cause.FRAME_QUARANTINED


def test_the_document_of_a_day() -> None:
    """OB-678, OB-003, OB-907: integers with their scales, gaps, the book, the skew; the text form of it."""
    recorder = watched(frozenset({FIRST_ID + 7}))
    recorder.apply(answered(ask_bars(CODE, recorder.symbols[CODE].axis.holes()[0]), Venue()))
    recorder.apply(own(Kind.NOTE, note(NoteKind.CLOSED, day=FIRST), START_NS + 10**12))
    audit = document(recorder, FIRST, 77, [CODE, "ETHUSDT"])
    (line,) = audit["lines"]
    lost = raw_trades(FIRST)[7]
    (gap,) = line["gaps"]
    recorded = state(recorder, CODE, FIRST).line.recorded
    assert (audit["format"], audit["venue"], audit["closed"], audit["generated_ns"], audit["price_scale"]) == (
        "veritape.audit.binance.v1", "BINANCE", True, 77, 8
    )  # fmt: skip
    assert audit["totals"] == {
        "recorded": recorded._asdict(), "backfilled": {"trades": 0, "quantity": 0, "value": 0}, "residual": {"trades": 1},
    }  # fmt: skip
    assert line["anchors"] == {"before": FIRST_ID - 1, "last": MIDNIGHT_ID - 1}
    assert line["residual"] == {
        "trades": 1, "by_cause": {"frame_lost": 1},
        "described_by_bars": {"trades": 1, "quantity": int(lost["q"].replace(".", ""))},
    }  # fmt: skip
    assert (gap["first_id"], gap["last_id"], gap["trades"], gap["state"]) == (FIRST_ID + 7,) * 2 + (
        1,
        "residual",
    )
    assert line["skew_us"]["most"] < -1_249_000
    assert line["skew_us"]["least"] > -1_278_000
    assert line["watched"] == [[86_053, 86_400]]
    shown = text(audit, "0123456789")
    assert shown.splitlines()[0] == (
        "day 20240808 UTC  venue BINANCE  anchored 1/1  duplicates 0  last seal 01234567"
    )
    assert shown.splitlines()[2].split() == [
        "BTCUSDT", "residual", "9,738", "9,737", "0", "1", shown.splitlines()[2].split()[6], "0/0",
        "-1275", "to", "-1250", "23:54:13-24:00:00",
    ]  # fmt: skip
    assert (
        shown.splitlines()[3] == "total   every line closes: recorded 9,737, backfilled 0, residual 1 trades"
    )


def test_the_document_of_nothing() -> None:
    """OB-606: a day without lines closes nothing."""
    audit = document(BinanceRecorder(), FIRST, 1)
    assert (audit["closed"], audit["lines"]) == (False, [])
    assert "NOT every line closes" in text(audit, "")


def example() -> dict[str, Any]:
    """Return the document that ``docs/formats/audit-binance.md`` shows."""
    recorder, lost_id = BinanceRecorder(), 3_735_693_100
    start_ns = 1_723_161_600_000_000_000
    recorder.apply(own(Kind.NOTE, note(NoteKind.WATCH_OPENED, code=CODE), start_ns))
    for frame, trade in zip(frames(SECOND), trades(SECOND), strict=True):
        if trade.trade_id != lost_id:
            recorder.apply(frame)
    closed = note(NoteKind.WATCH_CLOSED, code=CODE, cause="operator_stop")
    recorder.apply(own(Kind.NOTE, closed, start_ns + 305 * 10**9))
    recorder.apply(answered(ask_end(CODE), Venue(), start_ns + 306 * 10**9))
    return document(recorder, SECOND, start_ns + 307 * 10**9)


def test_the_worked_example_of_the_format() -> None:
    """OB-678: the document that the format's page shows is the one that comes out."""
    page = (Path(__file__).resolve().parents[4] / "docs" / "formats" / "audit-binance.md").read_text()
    assert json.loads(page.split("```")[1]) == example()


def test_a_day_behind_one_whose_beginning_is_unknown_does_not_end_it() -> None:
    """OB-905: of two midnights the earlier one was missed: where the first day ends is not told by the later one."""
    recorder = watched(frozenset(range(MIDNIGHT_ID - 5, MIDNIGHT_ID + 3)), from_id=MIDNIGHT_ID - 300)
    symbol = recorder.symbols[CODE]
    symbol.axis.day_starts["20240810"] = LAST_ID + 1
    first, second = both(recorder)
    assert (first.last_id, second.last_id) == (None, LAST_ID)


def test_a_watch_of_another_day_is_none_of_this_one() -> None:
    """OB-678: spans are clipped to the day."""
    recorder = near_midnight()
    audit = document(recorder, SECOND, 1)
    assert audit["lines"][0]["watched"] == [[0, 86_400]]
    recorder.symbols[CODE].watches = [Span(5, 10, Cause.OPERATOR_STOP)]
    assert document(recorder, SECOND, 1)["lines"][0]["watched"] == []
