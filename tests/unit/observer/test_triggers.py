"""Triggers: each fires at its threshold and not below it; a baseline never holds the interval that it judges."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.observer.triggers import (
    RULES,
    Firing,
    Histories,
    Rule,
    Snapshot,
    Trigger,
    price_spike,
    range_of,
    ranking,
    trade_velocity,
    volatility,
    volume_surge,
)

MILLION = 1_000_000
VOLUME, RANGE = RULES[Trigger.VOLUME_SURGE], RULES[Trigger.VOLATILITY]


def snapshot(
    price: int = 10_000, shares: int = 0, high: int = 10_000, low: int = 10_000, value: int | None = None
) -> Snapshot:
    return Snapshot(price, 10_000, high, low, shares, shares * price if value is None else value, 10_000)


def test_the_table_of_triggers() -> None:
    """OB-302: thresholds, weights and lifetimes as in the table."""
    assert {
        trigger.value: (rule.threshold, rule.weight, rule.lifetime_s) for trigger, rule in RULES.items()
    } == {
        "volume_surge": (3.0, 10.0, 300),
        "trade_velocity": (10.0, 8.0, 180),
        "volatility": (2.0, 6.0, 300),
        "price_spike": (0.03, 6.0, 300),
        "ranking": (20, 4.0, 180),
    }


@pytest.mark.parametrize(
    ("shares", "value", "earlier", "by_cycle", "strength"),
    [
        (300, 50 * MILLION, [100, 100], 1, 0.6),
        (299, 50 * MILLION, [100, 100], 1, None),
        (300, 50 * MILLION - 1, [100, 100], 1, None),
        (500, 50 * MILLION, [100, 100], 1, 1.0),
        (900, 50 * MILLION, [100, 100], 1, 1.0),
        (300, 50 * MILLION, [1], 100, 0.6),
        (299, 50 * MILLION, [], 100, None),
        (300, 50 * MILLION, [50, 150, 100], 1, 0.6),
        (1, 50 * MILLION, [0, 0], 9, 1.0),
        (0, 50 * MILLION, [0, 0], 0, None),
    ],
)
def test_a_volume_surge(
    shares: int, value: int, earlier: list[float], by_cycle: float, strength: float | None
) -> None:
    """OB-302, OB-1018: three times the mean of the earlier intervals, 50 M won; before two of them yesterday's by cycle."""
    assert volume_surge(VOLUME, shares, value, earlier, by_cycle) == strength


@pytest.mark.parametrize(("trades", "strength"), [(100, 0.5), (99, None), (200, 1.0), (400, 1.0)])
def test_trade_velocity(trades: int, strength: float | None) -> None:
    """OB-302, OB-1018: ten trades a second over ten seconds."""
    assert trade_velocity(RULES[Trigger.TRADE_VELOCITY], trades) == strength


@pytest.mark.parametrize(
    ("span", "earlier", "strength"),
    [
        (0.02, [0.01, 0.01, 0.01], 2 / 3),
        (0.0199, [0.01, 0.01, 0.01], None),
        (0.02, [0.01, 0.01], None),
        (0.0149, [0.001, 0.001, 0.001], None),
        (0.015, [0.0, 0.0, 0.0], 1.0),
        (0.09, [0.03, 0.03, 0.03, 0.03], 1.0),
    ],
)
def test_volatility(span: float, earlier: list[float], strength: float | None) -> None:
    """OB-302, OB-1018: twice the mean of at least three earlier ranges, and 1.5 %."""
    assert volatility(RANGE, span, earlier) == pytest.approx(strength)


@pytest.mark.parametrize(
    ("before", "after", "fires"),
    [
        (10_000, 10_305, True),
        (10_000, 10_304, False),
        (10_000, 9_704, True),
        (10_000, 9_705, False),
        (0, 5, False),
    ],
)
def test_a_price_spike(before: int, after: int, fires: bool) -> None:
    """OB-302, OB-1018: a logarithmic step of 3 % up or down."""
    strength = price_spike(RULES[Trigger.PRICE_SPIKE], before, after)
    assert (strength is not None) == fires
    if strength is not None:
        assert strength == pytest.approx(abs(math.log(after / before)) / 0.06)
    assert price_spike(RULES[Trigger.PRICE_SPIKE], 100, 110) == 1.0


@pytest.mark.parametrize(("rank", "strength"), [(1, 1.0), (11, 0.5), (20, 0.05), (21, None), (0, None)])
def test_ranking(rank: int, strength: float | None) -> None:
    """OB-302, OB-1018: 1 - (rank - 1) / 20 for the first twenty."""
    assert ranking(RULES[Trigger.RANKING], rank) == (None if strength is None else pytest.approx(strength))


def test_a_range_reaches_to_the_days_high_only_if_it_rose_in_the_interval() -> None:
    """OB-302: top and bottom; a high of the morning says nothing of this interval."""
    before = snapshot(10_000, high=10_500, low=9_900)
    assert range_of(before, snapshot(10_100, high=10_500, low=9_900)) == 0.01
    assert range_of(before, snapshot(10_100, high=10_600, low=9_900)) == 0.06
    assert range_of(before, snapshot(10_100, high=10_500, low=9_800)) == pytest.approx(0.03)
    assert range_of(before, snapshot(9_950, high=10_500, low=9_900)) == 0.005
    assert range_of(snapshot(0), before) == 0.0


def histories(**previous: int) -> Histories:
    return Histories(RULES, 600, 40, previous)


def test_differences_are_judged_and_never_totals() -> None:
    """OB-301: a day's total that grows evenly fires nothing, however large; the interval is not in its own baseline."""
    one = histories(A=40 * 10_000)
    total = 5_000_000
    for step in range(10):
        total += 10_000
        assert one.sweep(600 * step, {"A": snapshot(shares=total)}) == []
    assert list(one.by_code["A"].volumes) == [10_000.0] * 6
    assert one.sweep(6_000, {"A": snapshot(shares=total + 30_000)}) == [
        Firing("A", Trigger.VOLUME_SURGE, 0.6)
    ]


def test_before_two_intervals_yesterdays_volume_is_the_baseline() -> None:
    """OB-302: previous_shares / cycles."""
    one = histories(A=40 * 10_000, B=40 * 10_001)
    assert one.sweep(0, {"A": snapshot(), "B": snapshot()}) == []
    rows = {"A": snapshot(shares=30_000), "B": snapshot(shares=30_000)}
    assert one.sweep(600, rows) == [Firing("A", Trigger.VOLUME_SURGE, 0.6)]


def test_a_code_that_a_sweep_missed_is_judged_by_its_mean_pace() -> None:
    """OB-301: twenty minutes are not one interval of twice the volume."""
    one = histories(A=40 * 10_000)
    for step in range(4):
        one.sweep(600 * step, {"A": snapshot(shares=10_000 * step)})
    assert one.sweep(3_000, {"A": snapshot(shares=30_000 + 40_000)}) == []
    assert one.by_code["A"].volumes[-1] == 20_000.0


def test_a_chain_that_went_back_fires_nothing_more_that_day() -> None:
    """OB-212, OB-305."""
    one = histories(A=400)
    one.sweep(0, {"A": snapshot(shares=1_000)})
    assert one.sweep(600, {"A": snapshot(shares=999, price=11_000)}) == []
    assert one.sweep(1_200, {"A": snapshot(shares=900_000, price=13_000)}) == []
    assert one.by_code["A"].went_back


def test_a_sweep_off_the_grid_begins_a_baseline_and_ends_no_interval() -> None:
    """OB-394: codes without an earlier sweep begin there; the others are not disturbed."""
    one = histories(A=40 * 10_000, B=40 * 10_000)
    one.sweep(0, {"A": snapshot(shares=100)})
    one.seed(1_790, {"A": snapshot(shares=50_000), "B": snapshot(shares=50_000)})
    assert (one.by_code["A"].at_s, one.by_code["B"].at_s) == (0, 1_790)
    assert list(one.by_code["B"].volumes) == []
    assert one.sweep(1_790, {"B": snapshot(shares=90_000)}) == []


def test_price_and_volatility_fire_from_sweeps_and_a_trigger_can_be_off() -> None:
    """OB-301, OB-302: through sweeps; ``enabled = false`` silences one."""
    rules = {**RULES, Trigger.VOLUME_SURGE: Rule(3.0, 10.0, 300, enabled=False)}
    one = Histories(rules, 600, 40, {"A": 40})
    for step in range(4):
        one.sweep(600 * step, {"A": snapshot(shares=1_000 * step)})
    found = one.sweep(2_400, {"A": snapshot(10_400, shares=900_000, high=10_400)})
    assert [(one.code, one.trigger) for one in found] == [
        ("A", Trigger.VOLATILITY),
        ("A", Trigger.PRICE_SPIKE),
    ]


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**6)), max_size=12))
def test_any_sweeps_give_strengths_between_nothing_and_one(rows: list[tuple[int, int]]) -> None:
    """OB-302: whatever a broker answers."""
    one = histories(A=10**6)
    for step, (shares, price) in enumerate(rows):
        for firing in one.sweep(600 * step, {"A": snapshot(price, shares, high=price, low=price)}):
            assert 0 <= firing.strength <= 1
