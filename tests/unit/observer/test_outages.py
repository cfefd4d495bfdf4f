"""Spans in which nobody watched."""

from tests.tape import DAY, day_notes, own_note, recorded

from veritape.observer.gaps import Cause
from veritape.observer.notes import NoteKind
from veritape.observer.outages import Outage, Outages, Scope, Stamp

OPEN_S, CLOSE_S = 32_400, 55_800


def test_one_disconnection_of_many_codes_is_one_outage() -> None:
    """OB-671: never 41 markers for one disconnect."""
    outages = Outages()
    for _ in range(41):
        outages.watch_closed(Cause.WS_DISCONNECT, Stamp(32_500, 7, 5))
    assert outages.spans == [Outage(Scope.CONNECTION, Cause.WS_DISCONNECT, 32_500, None, 7, None, 5)]
    for _ in range(41):
        outages.watch_opened(Stamp(32_520, 9, 6))
    assert outages.in_session(OPEN_S, CLOSE_S) == [
        Outage(Scope.CONNECTION, Cause.WS_DISCONNECT, 32_500, 32_520, 7, 9, 5)
    ]
    assert outages.spans[0].seconds(OPEN_S, CLOSE_S) == 20


def test_a_release_is_no_outage_and_time_outside_the_session_does_not_count() -> None:
    """OB-671, OB-674: one code's release concerns one code; only session time counts."""
    outages = Outages()
    outages.watch_closed(Cause.NOT_WATCHED, Stamp(32_500, 7, 7))
    outages.watch_closed(Cause.WS_SILENT, Stamp(55_790, 8, 8))
    (lasting,) = outages.in_session(OPEN_S, CLOSE_S)
    assert (lasting.end_s, lasting.seconds(OPEN_S, CLOSE_S)) == (None, 10)
    assert lasting.overlaps(55_795, 60_000)
    assert not lasting.overlaps(50_000, 55_000)
    early = Outage(Scope.CONNECTION, Cause.WS_DISCONNECT, 32_000, 32_390, 1, 2)
    assert (early.seconds(OPEN_S, CLOSE_S), early.overlaps(32_391, 32_400)) == (0, False)


def test_a_restart_in_session_is_one_gap_of_the_process() -> None:
    """OB-675: session time between the last durable record and the restart; a socket that was down is down no longer."""
    lost = own_note(
        NoteKind.WATCH_CLOSED, 33_000, day=DAY, code="990001", event_s=33_000, cause="ws_disconnect"
    )
    recorder = recorded(*day_notes(), lost, own_note(NoteKind.STARTED, 33_060))
    connection, process = recorder.days[DAY].outages.spans
    assert (connection.scope, connection.end_s) == (Scope.CONNECTION, 33_000)
    assert (process.scope, process.cause, process.start_s, process.end_s) == (
        Scope.PROCESS, Cause.PROCESS_DOWN, 33_000, 33_060,
    )  # fmt: skip


def test_a_clean_stop_is_the_operators() -> None:
    """OB-675: the clean-stop mark tells a stop from a crash."""
    stop = own_note(
        NoteKind.WATCH_CLOSED, 33_000, day=DAY, code="990001", event_s=33_000, cause="operator_stop"
    )
    recorder = recorded(
        *day_notes(), stop, own_note(NoteKind.STARTED, 33_060), own_note(NoteKind.STARTED, 33_070)
    )
    first, second = recorder.days[DAY].outages.spans
    assert (first.cause, second.cause) == (Cause.OPERATOR_STOP, Cause.PROCESS_DOWN)


def test_a_restart_after_the_day_or_on_the_next_is_bounded_by_its_close() -> None:
    """OB-675: a process that comes back tomorrow was down until the close; a closed day has no outage."""
    late = own_note(NoteKind.STARTED, 33_000 + 86_400)
    assert (
        recorded(*day_notes(), own_note(NoteKind.STARTED, 33_000), late).days[DAY].outages.spans[1].end_s
        == CLOSE_S
    )
    closed = own_note(NoteKind.CLOSED, 56_000, day=DAY)
    assert recorded(*day_notes(), closed, own_note(NoteKind.STARTED, 57_000)).days[DAY].outages.spans == []
