"""Minute bars: parsing, the walk, what they say of a residual."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tape import DAY, bundled

from veritape.observer.axis import Edge, Hole
from veritape.observer.backfill import Fetched, Source, fill
from veritape.observer.bars import (
    CALLS,
    Bar,
    BarWalk,
    Described,
    bars_of,
    by_minute,
    describe,
    last_minute_over,
)
from veritape.observer.reactions import Answer, AnswerReason, Reaction
from veritape.replay.series import Trade as ReplayTrade
from veritape.wire.kis.rest import BARS_PAST, BARS_TODAY

OPEN_S, CLOSE_S = 32_400, 55_800


def row(label: str = "090000", **changes: str) -> dict[str, str]:
    return {
        "stck_bsop_date": DAY, "stck_cntg_hour": label, "stck_oprc": "10", "stck_hgpr": "12", "stck_lwpr": "9",
        "stck_prpr": "11", "cntg_vol": "100", "acml_tr_pbmn": "1000", **changes,
    }  # fmt: skip


def answer(*rows: Any) -> Answer:
    return Answer(Reaction.OK, "", None, {"output1": {}, "output2": list(rows)})


def test_rows_of_other_days_and_rows_later_than_asked_are_dropped() -> None:
    """KIS-063, KIS-064: a future time is answered with invented rows, which are not believed."""
    rows = (row("090200"), row("090100"), row("090000"), row("152900", stck_bsop_date="20131004"))
    assert bars_of(answer(*rows), DAY, OPEN_S + 60) == [
        Bar(OPEN_S + 60, 10, 12, 9, 11, 100, 1000), Bar(OPEN_S, 10, 12, 9, 11, 100, 1000),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"stck_bsop_date": ""}, {"stck_cntg_hour": "250000"}, {"stck_cntg_hour": 5}, {"cntg_vol": "-1"},
        {"cntg_vol": "1e5"}, {"stck_prpr": ""}, {"stck_bsop_date": 7},
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_read_refuses_the_page(wrong: dict[str, Any]) -> None:
    """KIS-063, OB-991: required fields; malformed numbers are a reason and no exception."""
    assert bars_of(answer(row(), {**row(), **wrong}), DAY, CLOSE_S) is AnswerReason.BAD_NUMBER


def test_an_answer_without_bars_is_a_reason() -> None:
    """OB-991."""
    assert bars_of(Answer(Reaction.OK, "", None, {}), DAY, CLOSE_S) is AnswerReason.MISSING_OUTPUT


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(st.dictionaries(st.sampled_from([*row(), "x"]), json_values, max_size=9), max_size=4)
    | json_values
)
def test_any_answer_gives_bars_or_a_reason(output: Any) -> None:
    """OB-992: total over outside values."""
    found = bars_of(Answer(Reaction.OK, "", None, {"output2": output}), DAY, CLOSE_S)
    assert isinstance(found, AnswerReason) or all(isinstance(bar, Bar) for bar in found)


def walk(call: Any, first_s: int = OPEN_S) -> BarWalk:
    """Walk a broker's day with a bar a minute from 09:00 to 15:30."""
    one = BarWalk(call, first_s, CLOSE_S)
    while not one.over:
        labels = list(range(one.cursor_s, OPEN_S - 1, -60))[: call.rows]
        one.receive([Bar(label, 1, 1, 1, 1, 1, 1) for label in labels])
    return one


@pytest.mark.parametrize(("call", "calls"), [(BARS_TODAY, 14), (BARS_PAST, 4)])
def test_a_day_of_bars_takes_these_calls(call: Any, calls: int) -> None:
    """KIS-065: today 30 rows a call; a past day 120, so 4 calls cover 391 labels; next asks the oldest label minus one minute."""
    one = walk(call)
    assert (len(one.bars), one.calls, min(one.bars), max(one.bars)) == (391, calls, OPEN_S, CLOSE_S)
    assert walk(call, CLOSE_S - 60).calls == 1


def test_a_walk_ends_at_an_empty_page_and_at_its_limit() -> None:
    """KIS-065: never endless, whatever the broker answers."""
    one = BarWalk(BARS_TODAY, OPEN_S, CLOSE_S)
    one.receive([])
    assert one.over
    stuck = BarWalk(BARS_TODAY, 0, CLOSE_S)
    while not stuck.over:
        stuck.receive([Bar(CLOSE_S + 60, 1, 1, 1, 1, 1, 1)])
    assert stuck.calls <= CALLS


@pytest.mark.parametrize(
    ("now_s", "label_s"), [(OPEN_S + 64, OPEN_S - 60), (OPEN_S + 65, OPEN_S), (OPEN_S + 125, OPEN_S + 60)]
)
def test_only_minutes_that_ended_five_seconds_ago_are_asked_for(now_s: int, label_s: int) -> None:
    """KIS-064: the running minute may show the minute before."""
    assert last_minute_over(now_s) == label_s


def test_the_first_bar_tells_whether_labels_mark_begins_or_ends() -> None:
    """KIS-063: inferred from the day's first bar and its first trade."""
    bar = Bar(0, 1, 1, 1, 1, 1, 1)
    begins = {OPEN_S: bar, OPEN_S + 60: bar}
    assert list(by_minute(begins, OPEN_S + 7)) == [OPEN_S, OPEN_S + 60]
    ends = {OPEN_S + 60: bar, OPEN_S + 120: bar}
    assert list(by_minute(ends, OPEN_S + 7)) == [OPEN_S, OPEN_S + 60]
    assert by_minute({}, OPEN_S) == {}


def bars_of_day(code: str) -> dict[int, Bar]:
    found: dict[int, Bar] = {}
    for t in bundled(code).trades:
        minute = t.ms // 60_000 * 60
        old = found.get(minute)
        prices = [t.price] if old is None else [old.high, old.low, t.price]
        found[minute] = Bar(
            minute, old.open if old else t.price, max(prices), min(prices), t.price,
            t.shares + (old.shares if old else 0), t.chain_value,
        )  # fmt: skip
    return found


def edge(t: ReplayTrade) -> Edge:
    return Edge(t.chain_shares, t.chain_value, t.sells, t.buys, t.ms // 1000)


def missing(code: str, first: int, count: int) -> tuple[Hole, dict[int, int]]:
    """Return the hole of some trades of the day, and the recorded shares of each minute."""
    trades = bundled(code).trades
    left, right = trades[first - 1], trades[first + count - 1]
    hole = Hole(edge(left), edge(right), 0)
    recorded: dict[int, int] = {}
    for index, t in enumerate(trades):
        if not first <= index < first + count:
            recorded[t.ms // 60_000 * 60] = recorded.get(t.ms // 60_000 * 60, 0) + t.shares
    return hole, recorded


@pytest.mark.parametrize(("first", "count"), [(50, 3), (900, 400), (20_000, 1)])
def test_bars_describe_exactly_what_is_missing(first: int, count: int) -> None:
    """OB-706: missing shares of a minute = bar volume - recorded - backfilled; the ledger's residual is not touched."""
    hole, recorded = missing("990001", first, count)
    filling = fill(hole, [])
    assert describe([filling], bars_of_day("990001"), recorded) == Described((hole.totals.shares,), ())
    assert filling.residual == hole.totals
    last = bundled("990001").trades[first + count - 1]
    row_ = Fetched(
        "990001", last.ms // 1000, last.price, last.shares, last.chain_shares, Source.BY_TIME, 0, ""
    )
    part = fill(hole, [row_])
    assert describe([part], bars_of_day("990001"), recorded).shares == (hole.totals.shares - last.shares,)


def test_two_holes_of_a_minute_share_its_missing_shares() -> None:
    """OB-706: never more than a hole lacks."""
    first, recorded = missing("990001", 50, 3)
    second, others = missing("990001", 60, 2)
    both = {minute: recorded[minute] + others[minute] - bar.shares for minute, bar in bars_of_day("990001").items()
            if minute in recorded and minute in others}  # fmt: skip
    found = describe([fill(first, []), fill(second, [])], bars_of_day("990001"), both)
    assert found.shares == (first.totals.shares, second.totals.shares)


def test_a_bar_that_is_smaller_than_what_was_recorded_contradicts() -> None:
    """OB-706: contradiction, with its minute."""
    bars = bars_of_day("990001")
    recorded = {minute: bar.shares for minute, bar in bars.items()}
    assert describe([], bars, recorded).contradictions == ()
    recorded[OPEN_S + 600] += 1
    assert describe([], bars, recorded).contradictions == (OPEN_S + 600,)
