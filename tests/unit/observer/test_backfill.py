"""Fetched rows in holes."""

from hypothesis import given
from hypothesis import strategies as st
from tests.tape import bundled, trade

from veritape.observer.axis import Edge, Hole, Totals
from veritape.observer.backfill import (
    BUSY_NS,
    BackfillReason,
    Budget,
    Fetched,
    Filling,
    Source,
    fill,
    fill_all,
)
from veritape.replay.series import Trade as ReplayTrade

HOLE = Hole(Edge(928, 1_688_053_600, 2, 3, 32_411), Edge(1353, 2_461_072_600, 5, 4, 32_416), 7)
WHOLE = Totals(4, 425, 773_019_000)


def by_time(row: int) -> Fetched:
    one = trade(row)
    return Fetched("990001", one.event_s, one.price, one.shares, one.chain_shares, Source.BY_TIME, row, "g")


def reparsed(row: int) -> Fetched:
    return by_time(row)._replace(
        source=Source.REPARSED, trade=trade(row), sequence=1, record=0, received_us=3
    )


ROWS = [by_time(row) for row in range(6, 10)]


def test_the_worked_hole_is_filled_trade_by_trade() -> None:
    """OB-607, OB-702, OB-707: tiled, and shares, won and trades are all zero afterwards."""
    filling = fill(HOLE, ROWS)
    assert (filling.backfilled, filling.residual) == (WHOLE, Totals(0, 0, 0))
    assert (filling.tiled, filling.contradicts, filling.left_open, filling.refused) == (True, False, [], [])


def test_a_partial_fill_splits_the_hole() -> None:
    """OB-707: what remains is residual, with exact figures."""
    filling = fill(HOLE, [ROWS[3], ROWS[1]])
    assert filling.left_open == [(928, 1033), (1133, 1253)]
    assert filling.backfilled == Totals(2, 200, 200 * 1_818_500 + 100 * 200)
    assert filling.residual == Totals(2, 225, WHOLE.value_krw - filling.backfilled.value_krw)
    assert not filling.tiled
    assert not filling.contradicts


def test_a_row_outside_the_hole_or_over_another_is_refused() -> None:
    """OB-703: backfill_overlap, whatever it overlaps; an impossible time or price is refused too."""
    outside, twice = by_time(10), ROWS[0]._replace(fetched_us=99)
    inner = ROWS[0]._replace(chain_shares=1040, shares=10)
    late = ROWS[2]._replace(event_s=32_417)
    free = ROWS[3]._replace(price=0)
    none = ROWS[3]._replace(shares=0)
    filling = fill(HOLE, [ROWS[0], outside, twice, inner, late, free, none])
    assert filling.rows == [ROWS[0]]
    reasons = {one.row: one.reason for one in filling.refused}
    overlap, impossible = BackfillReason
    assert reasons == {
        outside: overlap, twice: overlap, inner: overlap, none: overlap, late: impossible, free: impossible,
    }  # fmt: skip


def test_a_reparsed_record_must_fit_with_every_counter() -> None:
    """OB-605, OB-457: V, M, S, B and time lie between the edges; it goes before a by-time row of the same trade."""
    filling = fill(HOLE, [*ROWS, *(reparsed(row) for row in (6, 7))])
    assert [row.source for row in filling.rows] == [Source.REPARSED] * 2 + [Source.BY_TIME] * 2
    assert filling.tiled
    wrong = reparsed(8)
    wrong = wrong._replace(trade=trade(8)._replace(sells=99))
    assert fill(HOLE, [wrong]).refused[0].reason is BackfillReason.BACKFILL_IMPOSSIBLE


def test_a_tiled_hole_whose_won_are_not_zero_contradicts() -> None:
    """OB-707: filled only when shares, won and trades are all zero."""
    wrong = fill(HOLE, [ROWS[0]._replace(price=ROWS[0].price + 1), *ROWS[1:]])
    assert (wrong.shares_left, wrong.contradicts, wrong.tiled) == (0, True, False)
    few = Hole(HOLE.left, HOLE.right._replace(buys=6), 7)
    assert fill(few, ROWS).contradicts
    dear = fill(HOLE, [ROWS[0]._replace(price=ROWS[0].price * 9)])
    assert dear.contradicts


def test_a_row_that_moved_no_count_is_not_counted() -> None:
    """OB-602, OB-707: the hole knows how many counted trades it lost; an auction print among the rows is none."""
    auction = Hole(HOLE.left, HOLE.right._replace(buys=3), 7)
    filling = fill(auction, ROWS)
    assert (filling.backfilled.trades, filling.tiled) == (3, True)


def edge(t: ReplayTrade) -> Edge:
    return Edge(t.chain_shares, t.chain_value, t.sells, t.buys, t.ms // 1000)


def holes_and_rows(code: str, first: int, lengths: list[tuple[int, int]]) -> tuple[list[Hole], list[Fetched]]:
    """Return holes of the bundled day, each of some trades with some recorded between, and every trade as a row."""
    trades, holes, rows, at = bundled(code).trades, [], [], first
    for kept, lost in lengths:
        at += kept
        left, right = trades[at - 1], trades[at + lost - 1]
        holes.append(
            Hole(
                edge(left),
                edge(right),
                0,
            )
        )
        at += lost
    rows = [
        Fetched(code, t.ms // 1000, t.price, t.shares, t.chain_shares, Source.BY_TIME, 0, "")
        for t in trades[first : at + 3]
    ]
    return holes, rows


@given(
    st.integers(1, 20_000),
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 6)), min_size=1, max_size=6),
    st.randoms(use_true_random=False),
    st.floats(0, 1),
)
def test_rows_in_any_order_and_number_add_up(
    first: int, lengths: list[tuple[int, int]], chance: object, share: float
) -> None:
    """OB-606, OB-703, OB-707: backfilled + residual is the hole, no row counts twice, every trade outside is refused."""
    holes, rows = holes_and_rows("990001", first, lengths)
    draw = chance.random  # type: ignore[attr-defined]
    given_rows = [row for row in rows if draw() < share]
    chance.shuffle(given_rows)  # type: ignore[attr-defined]
    fillings = fill_all(holes, given_rows + given_rows[::2])
    for filling in fillings:
        assert filling.backfilled.plus(filling.residual) == filling.hole.totals
        assert not filling.contradicts
        assert (
            sum(end - start for start, end in filling.left_open)
            == filling.shares_left
            == filling.residual.shares
        )
        assert filling.tiled == (not filling.left_open)
    inside = [row for row in given_rows if any(one_holds(filling, row) for filling in fillings)]
    assert sum(len(filling.rows) for filling in fillings) == len(inside)


def one_holds(filling: Filling, row: Fetched) -> bool:
    return (
        filling.hole.left.chain_shares <= row.begins and row.chain_shares <= filling.hole.right.chain_shares
    )


def test_the_budget_is_a_share_of_the_permits_and_yields_to_others() -> None:
    """OB-708: at most 20 % of the permits in a sliding second, nothing while a sweep, anchor or token call waits."""
    budget = Budget(0.2, 18)
    assert budget.calls_a_second == 3
    assert [budget.wait_ns(n, others_wait=False) for n in range(3)] == [0, 0, 0]
    assert budget.wait_ns(10, others_wait=False) == 1_000_000_000 - 10
    assert budget.wait_ns(1_000_000_000, others_wait=True) == BUSY_NS
    assert budget.wait_ns(1_000_000_000, others_wait=False) == 0
    assert Budget(0.01, 18).calls_a_second == 1


@given(st.lists(st.integers(0, 400_000_000), max_size=60), st.integers(1, 20))
def test_no_sliding_second_holds_more_calls_than_the_budget(steps: list[int], permits: int) -> None:
    """OB-708: over any history of requests."""
    budget, now, granted = Budget(0.2, permits), 0, list[int]()
    for step in steps:
        now += step
        if budget.wait_ns(now, others_wait=False) == 0:
            granted.append(now)
    for end in granted:
        assert sum(end - 1_000_000_000 < one <= end for one in granted) <= budget.calls_a_second
