"""A symbol and its days: what is recorded, what is fetched, what is known of the rest."""

import json
from collections import deque

import pytest
from tests.binance import CODE, FIRST, FIRST_ID, LAST_ID, MIDNIGHT_ID, SECOND, aggregates, trades

from veritape.observer.binance.answers import Aggregate, Bar, Refused, read_aggregates
from veritape.observer.binance.lines import RECENT_TRADES, Filled, Problem, Skew, Symbol, Totals
from veritape.observer.binance.messages import BUYER, Trade
from veritape.observer.binance.trade_ids import Outcome

T0_US = 1_723_161_255_342_000


def trade(trade_id: int, quantity: int = 10, price: int = 100, event_us: int = T0_US) -> Trade:
    return Trade(CODE, trade_id, event_us, event_us + 1000, price, quantity, BUYER)


def symbol_of(*ids: int) -> Symbol:
    symbol = Symbol(CODE)
    for one in ids:
        symbol.receive(trade(one, quantity=one), one * 1_000)
    return symbol


def fetched(first_id: int, last_id: int, quantity: int, price: int = 100) -> Aggregate:
    return Aggregate(70, first_id, last_id, T0_US, price, quantity, BUYER)


def test_recorded_and_fetched_trades_are_counted_apart() -> None:
    """OB-902, OB-904: in trades, quantity and value."""
    symbol = symbol_of(1, 2, 6)
    assert symbol.fill(fetched(3, 5, 12), 9_000) == Filled(
        CODE, 3, 5, 3, T0_US, 100, 12, BUYER, 70, 9, single=False, left_id=2
    )
    line = symbol.lines[FIRST]
    assert (line.recorded, line.backfilled) == (Totals(3, 9, 900), Totals(3, 12, 1200))
    assert symbol.axis.holes() == []
    assert symbol.fill(fetched(3, 5, 12), 9_000) is None


def test_an_aggregate_that_is_known_in_part_is_divided() -> None:
    """OB-904: its quantity less the recorded trades', exactly; the missing part may lie around a recorded trade."""
    symbol = symbol_of(1, 2, 4, 6)
    filled = symbol.fill(fetched(2, 5, 2 + 3 + 4 + 5), 9_000)
    assert filled == Filled(CODE, 3, 5, 2, T0_US, 100, 8, BUYER, 70, 9, single=False, left_id=2)
    assert symbol.lines[FIRST].backfilled == Totals(2, 8, 800)
    assert symbol.axis.holes() == []


@pytest.mark.parametrize(("quantity", "price"), [(15, 101), (2, 100)])
def test_an_aggregate_that_contradicts_what_was_recorded_is_left_out(quantity: int, price: int) -> None:
    """OB-904: nothing is invented: the hole stays."""
    symbol = symbol_of(1, 2, 4)
    assert symbol.fill(fetched(2, 3, quantity, price), 9_000) is None
    assert symbol.lines[FIRST].problems == {Problem.FILL_CONTRADICTION: 1}
    assert symbol.axis.missing(1, 9) == [(3, 3)]


def test_an_aggregate_whose_known_part_is_forgotten_or_to_come_is_left_out() -> None:
    """OB-904: what cannot be divided is not guessed; what the stream has not reached is asked again."""
    symbol = symbol_of(1, 3)
    assert symbol.fill(fetched(2, 4, 90), 9_000) is None
    assert symbol.lines[FIRST].problems == {}
    for one in range(4, RECENT_TRADES + 5):
        symbol.receive(trade(one), one)
    assert symbol.fill(fetched(1, 2, 90), 9_000) is None
    assert symbol.lines[FIRST].problems == {Problem.FILL_UNDIVIDED: 1}
    assert symbol.axis.missing(1, 9) == [(2, 2)]


def test_a_duplicate_changes_no_sum_and_a_trade_older_than_its_elder_is_noted() -> None:
    """OB-902, OB-004: times never decide the order; that they contradict it is a problem of the line."""
    symbol = symbol_of(1, 2)
    assert symbol.receive(trade(2), 5)[0] is Outcome.DUPLICATE
    symbol.receive(trade(3, event_us=T0_US - 1000), 5)
    line = symbol.lines[FIRST]
    assert (line.recorded.trades, line.duplicates) == (3, 1)
    assert line.problems == {Problem.TIME_WENT_BACK: 1}


def test_the_skew_of_the_captures_is_negative_throughout() -> None:
    """OB-907, OB-906: received 1,250 to 1,277 ms before the event; figures are shown as skew and nothing breaks."""
    symbol = Symbol(CODE)
    for one in trades(FIRST, SECOND):
        symbol.receive(one, (one.sent_us - 1_260_000) * 1_000)
    assert symbol.lines[FIRST].skew == Skew(9_738, -1_260_000 * 9_738, -1_260_000, -1_260_000)
    assert symbol.axis.holes() == []
    skew = Skew()
    for difference in (-3, 5, -7):
        skew.add(difference)
    assert skew == Skew(3, -5, -7, 5)


def test_the_venue_says_where_a_day_begins() -> None:
    """OB-905: the first trade at or after a midnight is the first of its own day; two different ones contradict."""
    symbol = symbol_of(1)
    start = Aggregate(7, 50, 52, 1_723_161_600_000_000, 100, 30, BUYER)
    symbol.begins(start)
    symbol.begins(start)
    assert symbol.axis.day_starts == {SECOND: 50}
    symbol.begins(start._replace(first_id=49))
    assert symbol.lines[SECOND].problems == {Problem.DAY_START_CONTRADICTION: 1}


def test_the_newest_trade_of_each_day_is_kept() -> None:
    """OB-905: an older answer changes nothing."""
    symbol = symbol_of(5)
    for last_id in (7, 6, 9):
        symbol.tip(fetched(last_id, last_id, 1), 4)
    assert symbol.tips[FIRST].trade_id == 9


def test_a_bar_describes_and_never_corrects() -> None:
    """OB-904: a bar that is smaller than what is known is a contradiction."""
    symbol = symbol_of(1, 2)
    minute = T0_US // 60_000_000
    bar = Bar(minute * 60_000_000, (minute + 1) * 60_000_000, 100, 100, 100, 100, 50, 5)
    symbol.describe(bar)
    line = symbol.lines[FIRST]
    assert (line.bars, line.problems, line.recorded.trades) == ({minute: bar}, {}, 2)
    symbol.describe(bar._replace(trades=1))
    assert line.problems == {Problem.BAR_CONTRADICTION: 1}


def test_days_before_a_closed_one_are_forgotten() -> None:
    """OB-012: memory does not grow with days."""
    symbol = Symbol(CODE)
    for one in trades(FIRST, SECOND):
        if one.trade_id % 100:
            symbol.receive(one, one.sent_us * 1000)
    symbol.tip(fetched(FIRST_ID, FIRST_ID, 1), 4)
    holes = [hole for hole in symbol.axis.holes() if hole.first_id >= MIDNIGHT_ID]
    symbol.axis.day_starts[SECOND] = MIDNIGHT_ID
    symbol.forget_before(SECOND)
    assert (list(symbol.lines), symbol.tips, symbol.axis.holes()) == ([SECOND], {}, holes)
    assert symbol.axis.end is not None
    assert symbol.axis.end.trade_id == LAST_ID


def test_aggregates_of_the_captures_fill_random_holes_exactly() -> None:
    """OB-904: recorded and fetched together are what traded, in trades, quantity and value."""
    rows = read_aggregates(json.dumps(aggregates()).encode())
    assert not isinstance(rows, Refused)
    symbol, truth, waiting = Symbol(CODE), Totals(0, 0, 0), deque(rows)
    for place, one in enumerate(trades(FIRST, SECOND)):
        truth = truth.plus(Totals(1, one.quantity, one.price * one.quantity))
        if place % 7 or one.trade_id in {FIRST_ID, LAST_ID}:
            symbol.receive(one, one.sent_us * 1000)
        if place % 2_000 == 1_999 or one.trade_id == LAST_ID:
            while waiting and waiting[0].last_id < one.trade_id:
                symbol.fill(waiting.popleft(), 5)
    first, second = (symbol.lines[day] for day in (FIRST, SECOND))
    assert (symbol.axis.holes(), first.problems, second.problems) == ([], {}, {})
    sums = [first.recorded, first.backfilled, second.recorded, second.backfilled]
    assert all(one.trades > 1000 for one in sums)
    assert sums[0].plus(sums[1]).plus(sums[2]).plus(sums[3]) == truth
