"""The volume axis: readings of two edges, runs that tile, what fits a hole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tape import trade

from veritape.observer.axis import START, ZERO, Axis, Edge, Hole, Reading, Run, Totals, place

ROWS = 40
"""Trades that are placed."""


def edge(shares: int, value: int, sells: int, buys: int) -> Edge:
    return Edge(shares, value, sells, buys, 0)


@pytest.mark.parametrize(
    ("right", "reading"),
    [
        (edge(10, 1000, 1, 1), Reading.JOINED),
        (edge(15, 1500, 2, 2), Reading.TRADES_MISSING),
        (edge(15, 1500, 1, 1), Reading.UNCOUNTED_MISSING),
        (edge(15, 1000, 1, 2), Reading.CHAIN_CONTRADICTION),
        (edge(15, 900, 1, 2), Reading.CHAIN_CONTRADICTION),
        (edge(15, 1500, 0, 1), Reading.CHAIN_CONTRADICTION),
        (edge(15, 1500, 0, 3), Reading.CHAIN_CONTRADICTION),
        (edge(12, 1500, 3, 3), Reading.CHAIN_CONTRADICTION),
        (edge(10, 1001, 1, 1), Reading.CHAIN_CONTRADICTION),
        (edge(10, 1000, 1, 2), Reading.CHAIN_CONTRADICTION),
        (edge(9, 1000, 1, 1), Reading.CHAIN_CONTRADICTION),
    ],
)
def test_every_row_of_the_table_of_readings(right: Edge, reading: Reading) -> None:
    """OB-604: shares, value and trades between two edges."""
    assert Hole(edge(10, 1000, 1, 1), right, 0).reading is reading


@given(st.permutations(range(2, ROWS + 1)), st.integers(1, ROWS))
def test_trades_in_any_order_leave_the_holes_of_those_that_are_missing(order: list[int], count: int) -> None:
    """OB-601, OB-603, OB-605: the first and the last stand; each other one falls into a hole, and once only."""
    axis, own = Axis(), [trade(row) for row in range(1, ROWS + 2)]
    axis.append(place(own[0], counted=True), 0)
    axis.append(place(own[-1], counted=True), 1)
    for row in order[:count]:
        placed = place(own[row - 1], counted=True)
        assert axis.insert(placed, 2)
        assert axis.covers(placed)
        assert not axis.insert(placed, 3)
    missing = ZERO
    for hole in axis.holes():
        assert hole.reading is Reading.TRADES_MISSING
        missing = missing.plus(hole.totals)
    lost = [own[row - 1] for row in order[count:]]
    assert missing == Totals(
        len(lost), sum(one.shares for one in lost), sum(one.price * one.shares for one in lost)
    )
    assert axis.end == place(own[-1], counted=True).after
    assert axis.runs[0].left == START
    assert not axis.covers(place(trade(ROWS + 2), counted=True))


def test_what_lies_before_the_first_run_is_not_covered() -> None:
    """OB-645: no run begins below it."""
    below = Axis([Run(edge(10, 1000, 1, 1), edge(20, 2000, 2, 2), 0)])
    assert not below.covers(place(trade(1), counted=True))
