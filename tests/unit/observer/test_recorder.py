"""The recorder: frames in, days out; what it knows is what the journal says."""

from tests.tape import (
    CODES,
    DAY,
    MIDNIGHT_NS,
    anchors,
    day_notes,
    frames,
    own_note,
    recorded,
    recorded_of,
    trade,
)

from veritape.observer.axis import Totals
from veritape.observer.completeness import Problem
from veritape.observer.frames import FrameReason
from veritape.observer.gaps import Cause, Watch
from veritape.observer.journal import Frame, Kind
from veritape.observer.notes import NoteKind
from veritape.observer.recorder import SETTLING_NS, Applied, Recorder, kst, rows_by_code

UNTIL = 32_400_000 + 60_000


def text(data: bytes, second: int = 32_410) -> Frame:
    return Frame(Kind.TEXT, 1, 1, MIDNIGHT_NS + second * 10**9, second * 10**9, data)


def test_the_same_frames_give_the_same_days() -> None:
    """OB-512: the journal is the only source."""
    journal = [*day_notes(), *frames(until_ms=UNTIL), *anchors(until_ms=UNTIL)]
    once, again = recorded(*journal), recorded(*journal)
    assert once.days[DAY].rows == again.days[DAY].rows
    assert {code: line.recorded for code, line in once.days[DAY].lines.items()} == {
        code: line.recorded for code, line in again.days[DAY].lines.items()
    }


def test_every_recorded_trade_becomes_one_row() -> None:
    """OB-551: rows by event hour, each trade once, with its frame and record."""
    journal = [*day_notes(), *frames(until_ms=UNTIL)]
    recorder = recorded(*journal, *journal[3:])
    day = recorder.days[DAY]
    rows = [row for hour in day.rows.values() for row in hour]
    assert len(rows) == recorded_of(day).trades == sum(len(own) for own in rows_by_code(rows).values())
    assert len({(row.trade.code, row.epoch, row.trade.chain_shares) for row in rows}) == len(rows)
    assert {(row.sequence, row.record) for row in rows if row.trade.code == "990001"} >= {(2, 0)}
    nine = day.rows[9]
    assert recorder.take_rows(DAY, 9) is nine
    assert list(recorder.take_rows(DAY, 9)) == []


def test_rows_that_a_segment_holds_are_forgotten() -> None:
    """OB-512: after a restart nothing is sealed twice; what the segment lacks stays."""
    recorder = recorded(*day_notes(), *frames(until_ms=UNTIL))
    rows = list(recorder.days[DAY].rows[9])
    keys = {(row.trade.code, row.epoch, row.trade.chain_shares) for row in rows[1:]}
    recorder.forget_sealed(DAY, 9, keys)
    assert list(recorder.days[DAY].rows[9]) == rows[:1]
    recorder.forget_sealed(DAY, 9, {(rows[0].trade.code, 0, rows[0].trade.chain_shares)})
    recorder.forget_sealed("20991231", 9, keys)
    assert recorder.days[DAY].rows == {}


def test_a_frame_that_cannot_be_read_is_a_cause_and_loses_nothing_else() -> None:
    """OB-457, OB-991: counted with its reason; the frames around it are recorded."""
    recorder = recorded(*day_notes())
    applied = recorder.apply(text(b"0|H0STCNT0|001|" + b"^".join([b"1"] * 48)))
    assert applied.refusal is not None
    assert applied.refusal.reason is FrameReason.UNKNOWN_WIDTH
    assert applied.refusal.width == 48
    assert recorder.apply(text(b'{"broken')).refusal is not None
    assert [event.cause for event in recorder.days[DAY].quarantined] == [Cause.FRAME_QUARANTINED] * 2
    assert recorder.apply(frames(until_ms=UNTIL)[0]).recorded > 0


def test_control_messages_and_other_kinds_change_no_ledger() -> None:
    recorder = recorded(*day_notes())
    for kind, data in ((Kind.TEXT, b'{"header":{"tr_id":"PINGPONG"}}'), (Kind.SENT, b"{}"), (Kind.REST, b"{}"),
                       (Kind.CONNECTION, b"{}")):  # fmt: skip
        applied = recorder.apply(Frame(kind, 1, 1, 0, 0, data))
        assert (applied.recorded, applied.refusal) == (0, None)


def test_watches_open_close_and_end_with_the_process() -> None:
    """OB-675, OB-673: what was watched when the process died ended with its last frame."""
    recorder = recorded(*day_notes())
    recorder.apply(
        own_note(NoteKind.WATCH_CLOSED, day=DAY, code="990001", event_s=32_500, cause="ws_disconnect")
    )
    recorder.apply(own_note(NoteKind.WATCH_OPENED, day=DAY, code="990001", event_s=32_510))
    recorder.apply(text(b"{}", second=32_600))
    recorder.apply(own_note(NoteKind.STARTED, 32_700))
    day = recorder.days[DAY]
    assert day.watches["990001"] == [
        Watch(32_390, 32_500, Cause.WS_DISCONNECT),
        Watch(32_510, 32_600, Cause.PROCESS_DOWN),
    ]
    assert day.watches["990002"] == [Watch(32_390, 32_600, Cause.PROCESS_DOWN)]


def test_notes_fill_the_day() -> None:
    """OB-611, OB-612: anchors and tails are journalled, and the day's end."""
    recorder = recorded(*day_notes(), *anchors())
    recorder.apply(own_note(NoteKind.TAIL, day=DAY, code="990001", trades=1))
    recorder.apply(own_note(NoteKind.CLOSED, day=DAY))
    day = recorder.days[DAY]
    assert (sorted(day.anchors), day.tails, day.closed_ns is None) == (sorted(CODES), {"990001": 1}, False)
    assert (day.open_s, day.close_s, day.facts["990001"].reference_price) == (32_400, 55_800, 1_819_000)


def test_a_sweep_ahead_of_a_silent_line_is_a_suspicion() -> None:
    """OB-211, OB-642: judged 3 s after the answer; a line that caught up raises none."""
    recorder = recorded(*day_notes(), *frames(until_ms=UNTIL))
    end = recorder.days[DAY].lines["990001"].end.chain_shares
    recorder.sweep_saw(DAY, "990001", end + 1, 100)
    recorder.sweep_saw(DAY, "990002", 1, 100)
    recorder.sweep_saw("20991231", "990001", 1, 100)
    assert recorder.settled(100 + SETTLING_NS - 1) == []
    assert recorder.settled(100 + SETTLING_NS) == [(DAY, "990001")]
    assert recorder.settled(100 + SETTLING_NS) == []
    recorder.sweep_saw(DAY, "990001", end + 1, 10**15)
    assert recorder.settled(100) == [(DAY, "990001")], "of before the machine was started"


def test_seouls_date_and_second() -> None:
    """OB-004: Asia/Seoul."""
    assert kst(MIDNIGHT_NS + 32_400 * 10**9) == (DAY, 32_400)
    assert kst(MIDNIGHT_NS - 1) == ("20131006", 86_399)
    assert recorded_of(Recorder().day("20131007")) == Totals(0, 0, 0)
    assert trade(1).day == DAY


def test_the_end_of_a_day_refuses_what_is_still_held() -> None:
    """OB-604, OB-512: whoever replays the journal gets the contradiction that the running recorder saw."""
    journal = [*day_notes(), *frames(until_ms=UNTIL)]
    recorder = recorded(*journal)
    line = recorder.days[DAY].lines["990001"]
    line.receive(trade(3)._replace(shares=trade(3).shares + 7), 0)
    recorder.apply(own_note(NoteKind.CLOSED, day=DAY))
    assert line.problems == {Problem.CHAIN_OVERLAP: 1}


def test_a_restarted_counter_keeps_where_each_record_came_from() -> None:
    """OB-605, OB-552: the records that were held become rows of their own frame, index and hour."""
    recorder = recorded(*day_notes(("990001",)), *frames(("990001",), until_ms=UNTIL))
    line = recorder.days[DAY].lines["990001"]
    recorder.take_rows(DAY, 9)
    for number in (1, 2, 3):
        one = trade(1)._replace(
            event_s=35_998 + number, price=100, shares=1, chain_shares=number, chain_value=100 * number, sells=0,
            buys=number, side=1,
        )  # fmt: skip
        recorder.record_trade(text(b"")._replace(sequence=70 + number), number, one, Applied())
    rows = recorder.days[DAY].rows
    assert [(row.sequence, row.record, row.epoch) for row in (*rows[9], *rows[10])] == [
        (71, 1, 1), (72, 2, 1), (73, 3, 1),
    ]  # fmt: skip
    assert [len(rows[hour]) for hour in (9, 10)] == [1, 2]
    assert len(line.axes) == 2


def test_an_unread_frame_of_no_known_day_is_no_cause() -> None:
    """OB-457: it is in the journal; there is no line that it could explain."""
    assert recorded(text(b"x")).days == {}


def test_data_of_a_code_that_is_not_registered_is_recorded_all_the_same() -> None:
    """KIS-105, KIS-127, OB-003: it may come before its acknowledgement; prices, shares and values are integers."""
    recorder = recorded(*frames(until_ms=UNTIL))
    day = recorder.days[DAY]
    assert day.watches == {}
    assert recorded_of(day).trades > 0
    assert all(isinstance(value, int) for value in recorded_of(day))


def test_the_chains_of_the_bundled_day_hold_through_the_wire() -> None:
    """KIS-142, KIS-144, KIS-145, KIS-147: volume, value and counts join between all consecutive records of every code."""
    recorder = recorded(*frames())
    for line in recorder.days[DAY].lines.values():
        assert (line.problems, line.axis.holes(), line.duplicates) == ({}, [], 0)


def test_a_record_of_an_older_date_is_stored_under_its_own_and_counted() -> None:
    """KIS-181: `late_date`; a new day begins with a new date, not with midnight; another connection begins anew."""
    today = frames(until_ms=UNTIL)[0]
    tomorrow = today._replace(data=today.data.replace(b"20131007", b"20131008"), sequence=2)
    recorder = Recorder()
    late = [recorder.apply(one).late_dates for one in (today, tomorrow, tomorrow, today._replace(sequence=4))]
    count = len(today.data.split(b"20131007")) - 1
    assert late == [0, 0, 0, count]
    assert recorder.apply(today._replace(connection=2)).late_dates == 0
    assert {day: bool(one.lines) for day, one in recorder.days.items()} == {DAY: True, "20131008": True}


def test_stated_days_are_let_go_and_unsealed_ones_are_not() -> None:
    """OB-1041: a recorder runs for months; a day whose rows found no segment yet stays."""
    recorder = recorded(*day_notes(), *frames(until_ms=UNTIL))
    for day in ("20131004", "20131008", "20131009"):
        recorder.day(day)
    recorder.forget_before("20131009")
    assert sorted(recorder.days) == [DAY, "20131009"]
    recorder.take_rows(DAY, 9)
    recorder.forget_before("20131009")
    assert sorted(recorder.days) == ["20131009"]
