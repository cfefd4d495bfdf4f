"""The overload ladder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway import overload, quota
from veritape.gateway.adapters.policy_file import shipped_policy
from veritape.gateway.overload import LAG_LIMIT_US, Overload
from veritape.gateway.policy_reader import read_policy
from veritape.gateway.quota import Limits, State, make_rule

STEP_US = overload.SAMPLE_US


def run(ladder: Overload, start_us: int, seconds: float, *, in_flight: int = 0, lag_us: int = 0) -> int:
    """Sample for a while at one load of 100 requests; return the moment of the last sample."""
    now_us = start_us
    for _ in range(int(seconds * 1_000_000) // STEP_US + 1):
        ladder.sample(now_us, lag_us, in_flight, 100)
        now_us += STEP_US
    return now_us - STEP_US


@pytest.mark.parametrize(
    ("in_flight", "lag_us", "level"),
    [
        (69, 0, 0),
        (70, 0, 1),
        (85, 0, 2),
        (95, 0, 3),
        (200, 0, 3),
        (0, 69_000, 0),
        (0, 70_000, 1),
        (10, 95_000, 3),
    ],
)
def test_levels_by_load(in_flight: int, lag_us: int, level: int) -> None:
    """GW-381: 70, 85 and 95 % of the requests in progress or of 100 ms lag, for one second."""
    ladder = Overload()
    end_us = run(ladder, 0, 0.95, in_flight=in_flight, lag_us=lag_us)
    assert ladder.level == 0
    run(ladder, end_us + STEP_US, 0.05, in_flight=in_flight, lag_us=lag_us)
    assert ladder.level == level


def test_a_level_is_left_after_five_calm_seconds() -> None:
    """GW-381: below a half for 5 s; a load of a half keeps the level, a short peak does not raise it."""
    ladder = Overload()
    now_us = run(ladder, 0, 1, in_flight=90)
    now_us = run(ladder, now_us + STEP_US, 60, in_flight=50)
    assert ladder.level == 2
    now_us = run(ladder, now_us + STEP_US, 4.9, in_flight=49)
    now_us = run(ladder, now_us + STEP_US, 0, in_flight=50)
    now_us = run(ladder, now_us + STEP_US, 4.9, in_flight=49)
    assert ladder.level == 2
    now_us = run(ladder, now_us + STEP_US, 0.1, in_flight=49)
    assert ladder.level == 0
    run(ladder, now_us + STEP_US, 0.9, in_flight=100)
    assert ladder.level == 0


def test_lag_is_the_90th_percentile_of_a_second() -> None:
    """GW-381: one late sample in twenty is no load; a tenth and more is."""
    assert overload.percentile_90([0] * 19 + [10**9]) == 0
    assert overload.percentile_90([0] * 17 + [7] * 3) == 7
    assert overload.percentile_90([5]) == 5


def test_what_counts_as_full_lag_is_a_setting() -> None:
    """GW-381: a machine whose processor others take for long is told apart from a busy worker."""
    levels = {}
    for lag_limit_us in (LAG_LIMIT_US, 20 * LAG_LIMIT_US):
        ladder = Overload(lag_limit_us)
        levels[lag_limit_us] = [ladder.sample(n * 50_000, LAG_LIMIT_US, 0, 1_000) for n in range(30)][-1]
    assert levels == {LAG_LIMIT_US: 3, 20 * LAG_LIMIT_US: 0}


def test_half_the_rate_and_burst_and_nothing_forgiven() -> None:
    """GW-381, GW-211: Free at half: 75 at once, then 50 a minute; when the level ends, what was owed is owed."""
    full = Limits(make_rule(100, 60, 150), None, 50_000_000, 100)
    half = overload.halved(full)
    assert (half.month_mu, half.concurrency) == (50_000_000, 100)
    assert half.minute is not None
    assert half.minute.full_after_us == full.minute.full_after_us if full.minute else False
    state, admitted = State(), 0
    while (found := quota.evaluate(half, state, 1_000, 0, 0, 1))[1].admitted:
        state, admitted = found[0], admitted + 1
    assert (admitted, found[1].limits[1].wait_us) == (75, 1_200_000)
    _, after = quota.evaluate(full, state, 1_000, 0, 0, 1)
    assert after.limits[1].remaining_mu == 74_000


@given(st.text(max_size=64))
def test_refused_callers_come_back_within_one_to_five_seconds(request_id: str) -> None:
    """GW-381: 1 + (request id mod 5)."""
    assert 1 <= overload.retry_after_s(request_id) <= 5


def test_who_is_halved_and_what_is_shed() -> None:
    """GW-381: anonymous and Free from level 2 on; at level 3 everything but essential routes."""
    policy = read_policy(shipped_policy(), "policy.toml")
    assert [overload.is_halved(level, "free", anonymous=False) for level in range(4)] == [
        False,
        False,
        True,
        True,
    ]
    assert overload.is_halved(2, "lan-10", anonymous=True)
    assert not overload.is_halved(3, "pro", anonymous=False)
    allowed = policy.in_flight_max
    shed = [Overload(level=level).sheds(1, allowed, essential=False) for level in range(4)]
    assert shed == [False, False, False, True]
    assert not Overload(level=3).sheds(10**6, allowed, essential=True)


@pytest.mark.parametrize("allowed", [2, 3, 10, 20, 99, 100, 2_000])
def test_demand_alone_never_leads_to_the_highest_level(allowed: int) -> None:
    """GW-381: whatever is asked for, what is taken leaves a twentieth below 95 % to essential routes: a second of it sheds the surplus alone."""
    ladder, in_flight, taken = Overload(), 0, 0
    for sample in range(400):
        for _ in range(3 * allowed):
            taken += not ladder.sheds(in_flight + 1, allowed, essential=False)
            in_flight += not ladder.sheds(in_flight + 1, allowed, essential=False)
        ladder.sample(sample * STEP_US, 0, in_flight, allowed)
        in_flight = 0
    assert ladder.level < overload.ESSENTIAL_LEVEL
    assert taken >= 400 * max(1, round(0.89 * allowed) - 1)
    assert not ladder.sheds(2 * allowed, allowed, essential=True)
    if allowed >= 20:
        assert ladder.room.requests(allowed, overload.FULL) + allowed // 20 < overload.LEVELS[-1] * allowed


@pytest.mark.parametrize("offered", [1, 2, 4, 10])
def test_a_loop_whose_rounds_are_too_long_takes_less_and_stays_busy(offered: int) -> None:
    """GW-381: a worker whose rounds last as long as its requests need keeps its rate, whatever is offered, and is in time."""
    request_us, refusal_us, answered, now_us, round_us = 300, 20, 0, 0, 0
    ladder, connections = Overload(), 200 * offered
    lags = []
    for _ in range(2_000):
        taken = min(connections, ladder.room.requests(2_000, overload.FULL))
        served = 0 if ladder.level >= overload.ESSENTIAL_LEVEL else taken
        round_us = served * request_us + (connections - served) * refusal_us
        now_us, answered = now_us + round_us, answered + served
        ladder.sample(now_us, round_us, taken, 2_000)
        lags.append(round_us)
    assert ladder.level < overload.ESSENTIAL_LEVEL
    assert answered * request_us >= (0.75 if offered <= 4 else 0.4) * now_us
    assert max(lags[-1_000:]) < LAG_LIMIT_US


@given(
    st.integers(1, 5_000),
    st.lists(st.tuples(st.integers(0, 10_000_000), st.integers(0, 10_000)), max_size=30),
)
def test_some_requests_are_always_taken(allowed: int, samples: list[tuple[int, int]]) -> None:
    """GW-381: up to a number that depends on nothing measured, nobody asks the ladder at level 0; one more may be refused."""
    ladder, most = Overload(), Overload().always(allowed)
    for number, (lag_us, in_flight) in enumerate(samples):
        ladder.sample(number * STEP_US, lag_us, in_flight, allowed)
    ladder.level = 0
    assert not ladder.sheds(most, allowed, essential=False)
    for number in range(40):
        ladder.sample(number * STEP_US, 10_000_000, 1, allowed)
    ladder.level = 0
    assert ladder.sheds(most + 1, allowed, essential=False)
