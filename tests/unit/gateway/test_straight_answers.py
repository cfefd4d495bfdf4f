"""The usual answer of the shared store, read in one function: as the usual way reads it, or not at all."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.fast_quota import plan_of
from veritape.gateway.quota import MU, Limits, Rule, make_rule
from veritape.gateway.rate_fields import AdmittedFields
from veritape.gateway.shared_calls import read_admission
from veritape.gateway.straight_answers import straight_answers

NOW_US = 1_795_187_045_000_000
"""2026-11-20T15:04:05Z."""
MINUTE = make_rule(100, 60, 150)
PLAN = plan_of(Limits(MINUTE), MU, 7)


def answer_of(*numbers: int) -> bytes:
    """Return a full answer; what is not named is 0."""
    return struct.pack("<14q", *numbers, *[0] * (14 - len(numbers)))


@given(
    st.builds(make_rule, st.integers(1, 2_000), st.sampled_from([1, 60, 3_600]), st.integers(1, 2_000)),
    st.sampled_from([1, 500, 1_000, 2_500]),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=20),
)
def test_it_says_what_the_usual_way_says(rule: Rule, cost_mu: int, shares: list[int]) -> None:
    """GW-603, GW-504: over random limits and debts, one after another, the fields are those that the definition's decision has."""
    plan = plan_of(Limits(rule), cost_mu, 7)
    tell, fields = straight_answers(plan), AdmittedFields(plan, "any", legacy=False)
    assert tell is not None
    cap, cost = rule.burst_mu * rule.weight, cost_mu * rule.weight
    for number, share in enumerate(shares):
        debt, now_us = (
            cost + max(0, cap - cost) * share // 10**6,
            NOW_US + number,
        )  # a charge is owed at least
        answer = answer_of(1, now_us, debt, now_us, rule.weight)
        usual = read_admission(answer, plan)
        assert usual is not None
        assert tell(answer) == (tuple(fields.of(usual[0])), now_us)


@given(
    st.lists(
        st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, 600, NOW_US]), min_size=14, max_size=14
    )
    | st.permutations([1, NOW_US, NOW_US, 600_000, 600, 0, 0, 0, 0, 0, 0, 0, 0, 0])
)
def test_what_it_reads_is_an_admission_and_nothing_else(numbers: list[int]) -> None:
    """GW-603, GW-257: whatever the fourteen integers are, it reads none that says more than that a minute's bucket was charged now."""
    tell = straight_answers(PLAN)
    assert tell is not None
    told = tell(struct.pack("<14q", *numbers))
    plain = [1, numbers[1], numbers[2], numbers[1], MINUTE.weight, *[0] * 9]
    assert (told is not None) == (numbers == plain)


@given(st.binary(max_size=200) | st.none() | st.integers() | st.text() | st.lists(st.integers()))
def test_what_is_no_full_answer_is_left_alone(answer: object) -> None:
    """GW-262: bytes of any length and what is no bytes at all are for the usual way."""
    tell = straight_answers(PLAN)
    assert tell is not None
    assert tell(answer) is None


def test_denials_other_rules_leases_and_steps_of_the_clock_are_left_alone() -> None:
    """GW-257, GW-207, GW-304: each of them differs from the usual answer in one integer."""
    tell = straight_answers(PLAN)
    assert tell is not None
    usual = [1, NOW_US, 600_000, NOW_US, 600, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert tell(answer_of(*usual)) == (
        (
            (b"x-request-cost", b"1"),
            (b"ratelimit-policy", b'"minute";q=100;w=60;veritape-burst=150'),
            (b"ratelimit", b'"minute";r=149;t=1'),
        ),
        NOW_US,
    )
    others = {0: 0, 3: NOW_US + 1, 4: 599, 5: 7, 8: 1, 9: 1, 10: 1_000, 11: NOW_US, 12: 1, 13: 1}
    for place, number in others.items():
        assert tell(answer_of(*usual[:place], number, *usual[place + 1 :])) is None


def test_plans_with_more_than_a_minute_have_none() -> None:
    """GW-603: an hour, a month and requests in progress go the usual way."""
    others = (Limits(), Limits(MINUTE, MINUTE), Limits(MINUTE, month_mu=MU), Limits(MINUTE, concurrency=1))
    assert [straight_answers(plan_of(one, MU, 7)) for one in others] == [None] * 4
