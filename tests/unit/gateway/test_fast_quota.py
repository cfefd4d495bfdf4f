"""The fast decision agrees with its definition: state, decision and header fields."""

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway import quota
from veritape.gateway.answers import header_lines
from veritape.gateway.fast_quota import Tally, judge, left_units, plan_of
from veritape.gateway.quota import EMPTY, MICROSECONDS, MU, Bucket, Limits, Mode, State
from veritape.gateway.rate_fields import AdmittedFields, rate_fields, raw_fields

NOVEMBER_US = 1_795_187_045 * MICROSECONDS
"""2026-11-20T15:04:05Z."""
MONTH_END_US = NOVEMBER_US + quota.month_of(NOVEMBER_US).left_us

rules = st.builds(
    quota.make_rule, st.integers(1, 2_000), st.sampled_from([1, 60, 3_600]), st.integers(1, 2_000)
)
limits_of_all_kinds = st.builds(
    Limits,
    st.none() | rules,
    st.none() | rules,
    st.none() | st.integers(0, 60_000),
    st.none() | st.integers(1, 5),
    st.booleans(),
)
steps = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 999, 60_000, 600_000, 5_000_000, 90_000_000, -1, -2_000_000]),
        st.sampled_from([1, 500, 1_000, 2_000, 60_000]),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)
"""Clock step, cost, and whether the other limits apply."""


@given(st.tuples(limits_of_all_kinds, limits_of_all_kinds), steps, st.sampled_from([0, 10_000_000]))
def test_the_fast_decision_is_the_definition(pair: tuple[Limits, Limits], history: list[tuple[int, int, bool]], before_us: int) -> None:  # fmt: skip
    """GW-603, GW-202, GW-211: over random histories with changing limits and clocks that go back, states and decisions are equal."""
    state, tally = State(), Tally()
    wall_us = (MONTH_END_US if before_us else NOVEMBER_US) - before_us
    clocks = accumulate((step for step, _, _ in history), initial=50_000_000)
    next(clocks)
    for (_, cost_mu, other), now_us in zip(history, clocks, strict=True):
        plan = plan_of(pair[other], cost_mu, 7)
        state, expected = quota.evaluate(plan.limits, state, cost_mu, now_us, wall_us, 7)
        verdict = judge(plan, tally, now_us, wall_us)
        tally.slots += verdict.admitted
        assert verdict.admitted == expected.admitted
        assert verdict.unfolded() == expected
        assert (Bucket(*tally.minute), Bucket(*tally.hour)) == (state.minute, state.hour)
        assert (tally.used_mu, tally.slots) == (state.used_mu, state.slots)
        if verdict.admitted:
            for legacy in (False, True):
                writer = AdmittedFields(plan, "free", legacy=legacy)
                fields = raw_fields(rate_fields(expected, "free", wall_us, legacy=legacy))
                for _ in range(2):
                    assert writer.of(verdict) == fields
                    assert writer.lines(verdict) == header_lines(fields)
            said = verdict.cost_mu, verdict.policy_version, verdict.period
            assert said == (expected.cost_mu, expected.policy_version, expected.period)


def test_a_verdict_unfolds_in_the_mode_that_decided() -> None:
    """GW-214: the same decision from a local share says so."""
    plan = plan_of(Limits(quota.make_rule(100, 60, 150)), 1_000, 7)
    verdict = judge(plan, Tally(), 0, NOVEMBER_US)
    assert verdict._replace(mode=Mode.LOCAL).unfolded() == verdict.unfolded()._replace(mode=Mode.LOCAL)


@given(rules, st.integers(1, 5_000), st.integers(0, 200), st.integers(0, 100_000_000))
def test_units_left_count_what_leases_hold(rule: quota.Rule, cost_mu: int, held: int, now_us: int) -> None:
    """GW-504: units and seconds are those of the definition, with leases and with a clock that is behind."""
    plan = plan_of(Limits(rule), cost_mu, 7)
    verdict, side = judge(plan, Tally(), 50_000_000, NOVEMBER_US), plan.minute
    parts = verdict.minute
    held_mu = min(held * MU, rule.burst_mu - cost_mu)
    if not verdict.admitted:
        assert quota.decide(EMPTY, rule, cost_mu, 50_000_000)[1] == quota.Never()
        return
    state = State(minute=Bucket(*parts), held_mu=held_mu)
    month = quota.month_of(NOVEMBER_US)
    if now_us >= 50_000_000:
        state = state._replace(minute=Bucket(*quota.decay(state.minute, rule, now_us), rule.weight))
        parts = (*state.minute,)
    (part,) = quota.admission(Limits(rule), state, cost_mu, now_us, month, 7).limits
    assert left_units(side, parts, held_mu, now_us) == (
        part.remaining_mu // MU,
        quota.ceil_div(part.next_us, MICROSECONDS),
    )
