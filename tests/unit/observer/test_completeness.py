"""The ledger: worked examples, every reading, random histories against an oracle and a naive ledger."""

import random
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tape import bundled, trade

from veritape.observer.axis import Reading, Totals
from veritape.observer.completeness import HOLD_NS, Line, Outcome, Problem
from veritape.observer.frames import Trade

ROWS = len(bundled("990001").trades)


def line_of(trades: Iterable[Trade], reference_price: int = 0) -> Line:
    line = Line("990001", "20131007", reference_price)
    for one in trades:
        line.receive(one, 0)
    return line


def missing(line: Line) -> Totals:
    total = Totals(0, 0, 0)
    for hole in (hole for axis in line.axes for hole in axis.holes()):
        total = total.plus(hole.totals)
    return total


def sums(rows: Iterable[int]) -> Totals:
    trades = [bundled("990001").trades[row - 1] for row in rows]
    return Totals(len(trades), sum(t.shares for t in trades), sum(t.price * t.shares for t in trades))


def test_the_worked_hole() -> None:
    """OB-607, OB-603: rows 6 to 9 lost: 425 shares, 773,019,000 won, 4 trades of which 3 sells, between 09:00:11 and 09:00:16."""
    line = line_of(trade(row) for row in (1, 2, 3, 4, 5, 10))
    (hole,) = line.axis.holes()
    assert hole.totals == Totals(4, 425, 773_019_000)
    assert (hole.sells, hole.left.chain_shares, hole.right.chain_shares) == (3, 928, 1353)
    assert (hole.left.event_s, hole.right.event_s) == (32_411, 32_416)
    assert hole.reading is Reading.TRADES_MISSING


def test_late_records_fill_the_hole_from_any_side() -> None:
    """OB-605: late records split, shrink and close a hole; afterwards the line is whole."""
    line = line_of(trade(row) for row in (1, 2, 3, 4, 5, 10))
    outcomes = [line.receive(trade(row), 1).outcome for row in (8, 6, 9, 7)]
    assert outcomes == [Outcome.LATE] * 4
    assert line.axis.holes() == []
    assert (line.recorded, line.late) == (sums(range(1, 11)), 4)


def test_a_duplicate_is_dropped_and_counted() -> None:
    """OB-604: an equal interval and price."""
    line = line_of(trade(row) for row in (1, 2, 2, 1, 3))
    assert (line.duplicates, line.recorded) == (2, sums((1, 2, 3)))


def test_the_first_record_may_leave_a_hole_at_the_start() -> None:
    """OB-613: V - v = 0 closes the line at the open; else (0, V - v] is exact from its counters."""
    assert line_of([trade(1)]).axis.holes() == []
    (hole,) = line_of([trade(3)]).axis.holes()
    assert hole.totals == sums((1, 2))
    assert hole.found_ns == 0


def test_a_value_outside_the_daily_limits_is_flagged_and_kept() -> None:
    """OB-604: value_suspect."""
    dear = trade(3)._replace(chain_value=trade(3).chain_value + 10**9)
    line = line_of([trade(1), dear], reference_price=1_819_000)
    assert line.problems == {Problem.VALUE_SUSPECT: 1}
    assert len(line.axis.holes()) == 1
    assert line_of([trade(1), trade(3)], reference_price=1_819_000).problems == {}


def test_a_pair_that_moves_the_counts_against_its_codes_breaks_the_rule() -> None:
    """OB-602: the joined pair is believed, the line's trade counts become ranges."""
    odd = trade(2)._replace(counted=False)
    line = line_of([trade(1), odd, trade(3)])
    assert line.problems == {Problem.COUNT_RULE_BROKEN: 1}
    assert not line.trades_exact
    assert line.recorded == sums((1, 2, 3))


def test_an_uncounted_print_is_recorded_and_not_counted() -> None:
    """OB-602: auction prints may not move S + B."""
    first, second = trade(1), trade(2)
    auction = second._replace(side=3, counted=False, sells=first.sells, buys=first.buys)
    line = line_of([first, auction])
    assert (line.recorded.trades, line.uncounted, line.problems) == (1, 1, {})
    assert line.recorded.shares == first.shares + second.shares


def test_a_damaged_record_is_found_by_its_successor() -> None:
    """OB-610: the neighbours agree across it: it is refused and its interval is a hole of exact size."""
    damaged = trade(3)._replace(price=trade(3).price * 10)
    line = line_of([trade(1), trade(2), damaged, trade(4)])
    assert line.problems == {Problem.RECORD_CONTRADICTION: 1}
    assert missing(line) == sums((3,))
    assert line.recorded == sums((1, 2, 4))


def test_counters_that_no_record_explains_contradict_the_line() -> None:
    """OB-610: otherwise the line is contradicted."""
    damaged = trade(3)._replace(chain_value=trade(3).chain_value + 1)
    assert line_of([trade(1), trade(2), damaged, trade(4)]).problems == {Problem.CHAIN_CONTRADICTION: 1}
    waiting = line_of([trade(1), trade(2), damaged])
    waiting.settle(0, at_end=True)
    assert waiting.problems == {Problem.CHAIN_CONTRADICTION: 1}


def test_an_overlap_is_held_for_five_seconds() -> None:
    """OB-605, OB-604: held up to 5 s, then chain_overlap."""
    line = line_of(trade(row) for row in range(1, 6))
    overlap = trade(3)._replace(shares=trade(3).shares + 7)
    assert line.receive(overlap, 10).outcome is Outcome.HELD
    line.settle(9 + HOLD_NS)
    assert line.problems == {}
    line.settle(10 + HOLD_NS)
    assert line.problems == {Problem.CHAIN_OVERLAP: 1}


def test_three_overlaps_that_join_open_a_new_epoch() -> None:
    """OB-605: the broker's counter restarted; the records that were held are recorded."""
    line = line_of(trade(row) for row in range(20, 31))
    restarted = [
        Trade("990001", 40_000 + n, 100, 1, n, 100 * n, 0, n, 1, counted=True, day="20131007", session="")
        for n in (1, 2, 3, 4)
    ]
    verdicts = [line.receive(one, 5) for one in restarted]
    assert [verdict.outcome for verdict in verdicts] == [
        Outcome.HELD,
        Outcome.HELD,
        Outcome.RECORDED,
        Outcome.RECORDED,
    ]
    assert [held.trade for held in verdicts[2].released] == restarted[:2]
    assert (len(line.axes), line.axis.holes(), line.end.chain_shares) == (2, [], 4)
    assert line.recorded == sums(range(20, 31)).plus(Totals(4, 4, 400))


class NaiveLedger:
    """A set of rows: what a person would do with the whole tape in hand."""

    def __init__(self) -> None:
        self.rows: set[int] = set()

    def missing_before(self, last: int) -> Totals:
        return sums(row for row in range(1, last + 1) if row not in self.rows)


@settings(max_examples=60)
@given(st.lists(st.integers(1, 120), min_size=1, max_size=200), st.randoms(use_true_random=False))
def test_random_histories_agree_with_a_naive_ledger(rows: list[int], chance: random.Random) -> None:
    """OB-601, OB-606: whatever arrives, in order or late, once or twice: recorded + missing = what the market did."""
    naive, line, last = NaiveLedger(), Line("990001", "20131007"), 0
    for row in rows:
        verdict = line.receive(trade(row), 0)
        assert (verdict.outcome is Outcome.DUPLICATE) == (row in naive.rows)
        naive.rows.add(row)
        last = max(last, row)
    assert line.problems == {}
    assert line.recorded == sums(naive.rows)
    assert missing(line) == naive.missing_before(last)
    assert line.recorded.plus(missing(line)) == sums(range(1, last + 1))
    del chance


def test_memory_follows_the_holes() -> None:
    """OB-644: a whole day is one run."""
    line = line_of(trade(row) for row in range(1, ROWS + 1))
    assert len(line.axis.runs) == 1
    assert line.recorded == sums(range(1, ROWS + 1))
    assert line.joined == ROWS


def restarted(*numbers: int) -> list[Trade]:
    return [
        Trade("990001", 40_000 + n, 100, 1, n, 100 * n, 0, n, 1, counted=True, day="20131007", session="")
        for n in numbers
    ]


def test_a_stray_overlap_does_not_hide_a_restarted_counter() -> None:
    """OB-605: the newest three decide; the stray before them is refused after its five seconds."""
    line = line_of(trade(row) for row in range(20, 31))
    stray = trade(25)._replace(shares=trade(25).shares + 7)
    verdicts = [line.receive(one, 5) for one in (stray, *restarted(1, 2, 3, 4))]
    assert [v.outcome for v in verdicts[2:]] == [Outcome.HELD, Outcome.RECORDED, Outcome.RECORDED]
    assert [held.trade for held in verdicts[3].released] == restarted(1, 2)
    assert (len(line.axes), line.end.chain_shares, line.problems) == (2, 4, {})
    line.settle(5 + HOLD_NS)
    assert line.problems == {Problem.CHAIN_OVERLAP: 1}


def test_a_late_record_does_not_judge_a_damaged_one() -> None:
    """OB-610: only the successor tells whether the record or the chain is wrong."""
    damaged = trade(5)._replace(price=trade(5).price * 10)
    line = line_of([trade(1), trade(3), trade(4), damaged, trade(2), trade(6)])
    assert line.problems == {Problem.RECORD_CONTRADICTION: 1}
    assert (line.recorded, missing(line)) == (sums((1, 2, 3, 4, 6)), sums((5,)))


def test_a_tape_that_is_sent_again_from_long_ago_is_no_new_epoch() -> None:
    """OB-645, OB-605: what lies inside the recorded tape, at the tape's own time, is old: its caller judges it; nothing is doubled."""
    line = line_of(trade(row) for row in (*range(1, 3001), *range(3011, 8001)))
    again = [line.receive(trade(row), 0).outcome for row in range(2990, 3020)]
    assert again == [Outcome.OLD] * 11 + [Outcome.LATE] * 10 + [Outcome.OLD] * 9
    line.repeat()
    assert line.duplicates == 1
    assert (len(line.axes), line.problems, line.recorded) == (1, {}, sums(range(1, 8001)))


def test_a_new_epoch_whose_first_record_contradicts_itself_releases_only_the_others() -> None:
    """OB-605, OB-610: what the ledger does not count is no row either."""
    line = line_of(trade(row) for row in range(20, 31))
    first, second, third = (one._replace(chain_value=one.chain_value - 60) for one in restarted(1, 2, 3))
    verdicts = [line.receive(one, 5, 9, n) for n, one in enumerate((first, second, third))]
    assert [held.trade for held in verdicts[2].released] == [second]
    assert line.problems == {Problem.RECORD_CONTRADICTION: 1}
    assert line.recorded == sums(range(20, 31)).plus(Totals(2, 2, 200))
    assert missing(line).trades == sums(range(1, 20)).trades + 1


def test_an_odd_count_that_no_rule_explains_is_a_contradiction() -> None:
    """OB-604, OB-602: the sells moved by an uncounted record's step: two counters disagree."""
    odd = trade(2)._replace(counted=False, sells=trade(1).sells + 1, buys=trade(1).buys, side=1)
    assert line_of([trade(1)]).receive(odd, 0).outcome is Outcome.HELD


class Stepwise(Line):
    """The ledger without its short way for trades that join: no trade has negative shares."""

    def _joins(self, trade: Trade) -> bool:
        return trade.shares < 0


@given(
    st.lists(
        st.tuples(st.integers(0, 59), st.sampled_from(["", "price", "side", "chain_value"])), max_size=90
    )
)
def test_the_short_way_gives_what_the_steps_give(choices: list[tuple[int, str]]) -> None:
    """OB-601, OB-604: in any order, with repetitions, gaps and damaged records, both ledgers say the same of each and at the end."""
    short, stepwise = Line("990001", "20131007"), Stepwise("990001", "20131007")
    for number, (row, damage) in enumerate([*((n, "") for n in range(20)), *choices]):
        one = trade(row + 1)
        if damage:
            one = one._replace(**{damage: getattr(one, damage) + 1})
        assert short.receive(one, number) == stepwise.receive(one, number)
    for line in (short, stepwise):
        line.settle(10**12, at_end=True)
    for name in ("recorded", "axes", "joined", "duplicates", "late", "problems", "trades_exact", "uncounted"):
        assert getattr(short, name) == getattr(stepwise, name)
