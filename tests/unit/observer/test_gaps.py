"""Causes and names of gaps."""

import pytest

from veritape.observer.axis import START, Edge, Hole
from veritape.observer.gaps import (
    DAY_SECONDS,
    Cause,
    Event,
    Watch,
    average_price,
    cause_of,
    gap_id,
    refused,
    unwatched,
)

HOLE = Hole(Edge(928, 1_688_053_600, 2, 3, 32_411), Edge(1353, 2_461_072_600, 5, 4, 32_416), 7)


def test_a_hole_inside_a_watch_is_a_lost_frame() -> None:
    """OB-673: no overlapping event: frame_lost."""
    assert cause_of(HOLE, unwatched([Watch(32_390, None, None)])) is Cause.FRAME_LOST


@pytest.mark.parametrize("cause", [Cause.WS_DISCONNECT, Cause.PROCESS_DOWN, Cause.OPERATOR_STOP])
def test_a_hole_between_two_watches_has_the_first_ones_end_as_cause(cause: Cause) -> None:
    """OB-673: the overlapping event is the cause."""
    watches = [Watch(32_390, 32_412, cause), Watch(32_414, None, None)]
    assert cause_of(HOLE, unwatched(watches)) is cause


def test_before_the_first_watch_nothing_was_watched() -> None:
    """OB-673: before a subscription."""
    assert unwatched([]) == [Event(0, DAY_SECONDS, Cause.NOT_WATCHED)]
    assert cause_of(HOLE, unwatched([Watch(32_413, None, None)])) is Cause.NOT_WATCHED


def test_a_refused_registration_explains_what_nobody_watched_afterwards() -> None:
    """OB-673: from the refusal to the next watch, or to the day's end; before it the code was only not watched."""
    assert refused([32_405], []) == [Event(32_405, DAY_SECONDS, Cause.SUBSCRIPTION_REFUSED)]
    again = [Watch(32_380, 32_390, Cause.WS_DISCONNECT), Watch(32_430, None, None)]
    assert refused([32_405], again) == [Event(32_405, 32_430, Cause.SUBSCRIPTION_REFUSED)]
    assert cause_of(HOLE, [*unwatched(again), *refused([32_405], again)]) is Cause.SUBSCRIPTION_REFUSED
    assert cause_of(HOLE, [*unwatched(again), *refused([32_417], again)]) is Cause.WS_DISCONNECT


def test_the_latest_event_wins() -> None:
    """OB-673: the overlapping event with the latest start."""
    events = [Event(32_400, 32_415, Cause.WS_DISCONNECT), Event(32_413, 32_414, Cause.FRAME_QUARANTINED)]
    assert cause_of(HOLE, events) is Cause.FRAME_QUARANTINED


def test_a_gap_is_named_by_its_left_edge_and_priced_by_its_totals() -> None:
    """OB-672: the first 16 hex digits of BLAKE3 of venue, code, day and left V; four decimals."""
    assert gap_id("KRX", "990001", "20131007", 928) == gap_id("KRX", "990001", "20131007", 928)
    assert len({gap_id("KRX", "990001", "20131007", left) for left in (928, 929)}) == 2
    assert len(gap_id("KRX", "990001", "20131007", 928)) == 16
    assert average_price(HOLE) == "1818868.2353"
    assert average_price(Hole(START, START, 0)) == "0.0000"
