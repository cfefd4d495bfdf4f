"""The ledger of trade ids: holes exact to the trade, whatever the order."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.binance import FIRST, FIRST_ID, LAST_ID, MIDNIGHT_ID, SECOND, trades

from veritape.observer.binance.trade_ids import Axis, Hole, Outcome, Point, day_start_us, utc_day

MIDNIGHT_US = day_start_us(SECOND)


def at(trade_id: int, event_us: int = 0) -> Point:
    return Point(trade_id, event_us, 0)


def axis_of(*ids: int) -> Axis:
    axis = Axis()
    for one in ids:
        axis.receive(at(one))
    return axis


def spans(axis: Axis) -> list[tuple[int, int]]:
    return [(hole.first_id, hole.last_id) for hole in axis.holes()]


def test_a_hole_is_the_difference_of_two_ids() -> None:
    """OB-902: between 5 and 9 lie 3 trades, exactly."""
    axis = axis_of(4, 5)
    assert axis.receive(at(9)) == (Outcome.RECORDED, True)
    assert axis.holes() == [Hole(at(5), at(9))]
    assert axis.holes()[0].trades == 3
    assert axis.joined == 1


def test_a_repeated_id_is_a_duplicate_and_one_in_a_hole_is_late() -> None:
    """OB-902: a repeated t is a duplicate; a smaller t inside a hole is late."""
    axis = axis_of(4, 5, 9)
    assert axis.receive(at(5)) == (Outcome.DUPLICATE, False)
    assert axis.receive(at(9)) == (Outcome.DUPLICATE, False)
    assert axis.receive(at(7)) == (Outcome.LATE, False)
    assert spans(axis) == [(6, 6), (8, 8)]
    assert axis.receive(at(7)) == (Outcome.DUPLICATE, False)
    assert axis.receive(at(6)) == (Outcome.LATE, False)
    assert axis.receive(at(8)) == (Outcome.LATE, False)
    assert (spans(axis), len(axis.runs), axis.end) == ([], 1, at(9))


def test_several_ids_are_added_at_once_only_where_none_is_known() -> None:
    """OB-904: an aggregate fills a part of a hole, or nothing."""
    axis = axis_of(4, 10)
    assert not axis.insert(at(4), at(6))
    assert not axis.insert(at(8), at(10))
    assert axis.insert(at(6), at(7))
    assert not axis.insert(at(5), at(8))
    assert spans(axis) == [(5, 5), (8, 9)]
    assert axis.missing(1, 100) == [(5, 5), (8, 9)]
    assert axis.missing(6, 8) == [(8, 8)]


def test_the_trade_before_the_recording_is_its_anchor() -> None:
    """OB-905: a newest trade that the recording does not know opens the axis, or a hole before it; a known one nothing."""
    axis = Axis()
    axis.begin(at(3))
    axis.receive(at(4))
    assert spans(axis) == []
    late = axis_of(9, 10)
    late.begin(at(6))
    assert spans(late) == [(7, 8)]
    late.begin(at(10))
    assert spans(late) == [(7, 8)]


def test_midnight_is_where_two_neighbours_lie_on_different_days() -> None:
    """OB-905, OB-906: of the captures it is id 3735692997, seen in order, late, and from both sides."""
    whole = Axis()
    for trade in trades(FIRST, SECOND):
        whole.receive(at(trade.trade_id, trade.event_us))
    assert whole.day_starts == {SECOND: MIDNIGHT_ID}
    assert (whole.holes(), whole.joined) == ([], LAST_ID - FIRST_ID)
    around = [at(MIDNIGHT_ID - 2, MIDNIGHT_US - 9), at(MIDNIGHT_ID + 1, MIDNIGHT_US + 9)]
    for middle in ([-1, 0], [0, -1]):
        axis = Axis()
        for point in around:
            axis.receive(point)
        assert axis.day_starts == {}
        for place in middle:
            axis.receive(at(MIDNIGHT_ID + place, MIDNIGHT_US + place))
        assert axis.day_starts == {SECOND: MIDNIGHT_ID}


def test_days_are_those_of_utc() -> None:
    """OB-905: the day boundary is 00:00 UTC."""
    assert utc_day(MIDNIGHT_US - 1) == FIRST
    assert utc_day(MIDNIGHT_US) == SECOND


@pytest.mark.parametrize("share", [0.001, 0.01, 0.2])
def test_random_losses_in_the_captures_are_found_exactly(share: float) -> None:
    """OB-1026, OB-902: every lost id lies in a hole and no other, in any order of arrival, with duplicates."""
    chance = random.Random(f"losses {share}")
    ids = [trade.trade_id for trade in trades(FIRST, SECOND)]
    lost = {one for one in ids[1:-1] if chance.random() < share}
    kept = [one for one in ids if one not in lost]
    for order in (kept, chance.sample(kept, len(kept))):
        axis = axis_of(*order, *order[:100])
        found = {one for first, last in spans(axis) for one in range(first, last + 1)}
        assert found == lost
        assert sum(hole.trades for hole in axis.holes()) == len(lost)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(0, 41))
def test_the_axis_is_a_set_of_ids(ids: list[int], forgotten: int) -> None:
    """OB-902: whatever arrives in whatever order, the holes are what a plain set says."""
    axis, seen = Axis(), set[int]()
    for one in ids:
        outcome, opened = axis.receive(at(one))
        expected = Outcome.DUPLICATE if one in seen else Outcome.RECORDED
        if one not in seen and seen and one < max(seen):
            expected = Outcome.LATE
        assert (outcome, opened) == (expected, bool(seen) and one > max(seen) + 1)
        seen.add(one)
    missing = set(range(min(seen), max(seen) + 1)) - seen
    assert {one for first, last in spans(axis) for one in range(first, last + 1)} == missing
    axis.forget_before(forgotten)
    left = {one for first, last in spans(axis) for one in range(first, last + 1)}
    assert left <= missing
    assert {one for one in missing if one > forgotten} <= left
