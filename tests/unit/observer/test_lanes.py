"""Who gets the next permit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.kernel.errors import UnavailableError
from veritape.observer.lanes import ROOM, STARVING_NS, Lane, LaneFigures, WaitingRoom
from veritape.observer.pacing import PacingReason

SECOND = 1_000_000_000


def serve(room: WaitingRoom, now: int) -> Lane:
    ticket = room.head(now)
    assert ticket is not None
    room.served(ticket, now)
    return ticket.lane


def test_lanes_are_served_in_strict_order() -> None:
    """OB-257: token, anchor, sweep, baseline, trigger, backfill, bulk, whoever came first."""
    room = WaitingRoom()
    for lane in reversed(Lane):
        room.enter(lane, 0)
    assert [serve(room, 1) for _ in Lane] == list(Lane)
    assert room.head(1) is None
    assert [lane.name.lower() for lane in Lane] == [
        "token", "anchor", "sweep", "baseline", "trigger", "backfill", "bulk",
    ]  # fmt: skip


@given(st.lists(st.integers(0, 10), min_size=1, max_size=20))
def test_within_a_lane_first_come_is_first_served(gaps: list[int]) -> None:
    """OB-257: and who gave up is passed over."""
    room = WaitingRoom()
    tickets = [room.enter(Lane.SWEEP, sum(gaps[:n])) for n in range(len(gaps))]
    for ticket in tickets[::3]:
        room.leave(ticket)
        room.leave(ticket)
    left = [ticket for number, ticket in enumerate(tickets) if number % 3]
    for expected in left:
        head = room.head(0)
        assert head is expected
        room.served(head, 0)
    assert room.head(0) is None
    assert room.figures[Lane.SWEEP].waiting == 0


def test_a_lane_that_waited_five_seconds_is_favoured_once() -> None:
    """OB-257: the next permit, once; its next favour comes five seconds later."""
    room = WaitingRoom()
    for lane in (Lane.BULK, Lane.BULK, Lane.SWEEP, Lane.SWEEP, Lane.SWEEP):
        room.enter(lane, 0)
    assert serve(room, STARVING_NS - 1) is Lane.SWEEP
    assert serve(room, STARVING_NS) is Lane.BULK
    assert serve(room, STARVING_NS) is Lane.SWEEP
    assert serve(room, 2 * STARVING_NS - 1) is Lane.SWEEP
    assert serve(room, 2 * STARVING_NS) is Lane.BULK


def test_the_longest_waiting_of_several_starving_lanes_is_first() -> None:
    """OB-257."""
    room = WaitingRoom()
    room.enter(Lane.TRIGGER, 7)
    room.enter(Lane.BULK, 5)
    assert [serve(room, 10 * SECOND), serve(room, 10 * SECOND)] == [Lane.BULK, Lane.TRIGGER]


def test_a_full_room_refuses() -> None:
    """OB-257: 10,000 entries; beyond it the caller gets `pacing_full`; one who leaves makes room."""
    room = WaitingRoom()
    tickets = [room.enter(Lane.BULK, 0) for _ in range(ROOM)]
    assert ROOM == 10_000
    with pytest.raises(UnavailableError) as refusal:
        room.enter(Lane.TOKEN, 0)
    assert refusal.value.reason is PacingReason.PACING_FULL
    room.leave(tickets[5])
    room.enter(Lane.TOKEN, 0)


def test_waits_are_counted_by_lane() -> None:
    """OB-260: who waits, who was served, who was delayed and for how long."""
    room = WaitingRoom()
    room.enter(Lane.SWEEP, 10)
    room.enter(Lane.SWEEP, 10)
    room.enter(Lane.SWEEP, 10)
    serve(room, 10)
    serve(room, 25)
    assert room.figures[Lane.SWEEP] == LaneFigures(waiting=1, served=2, delayed=1, waited_ns=15)
    assert room.figures[Lane.BULK] == LaneFigures(0, 0, 0, 0)
