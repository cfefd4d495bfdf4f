"""Marks of a target: every cell of the table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.target_health import (
    EJECTED_LIMIT_NS,
    EJECTED_NS,
    Standing,
    TargetHealth,
    after_answer,
    after_check,
    standing,
)
from veritape.gateway.upstreams import HealthRule

RULE = HealthRule("/health")
SECOND = 1_000_000_000


def checked(*statuses: int | None, health: TargetHealth | None = None) -> TargetHealth:
    """Return a target's marks after checks."""
    found = health or TargetHealth()
    for status in statuses:
        found = after_check(found, RULE, status)
    return found


@pytest.mark.parametrize(
    ("statuses", "is_up"),
    [
        ((), True),
        ((500, 500), True),
        ((500, None, 404), False),
        ((500, 500, 200, 500, 500), True),
        ((500, 500, 429, 500), False),
        ((500, 500, 205), False),
        ((500,) * 3 + (204,), False),
        ((500,) * 3 + (200, 204), True),
        ((500,) * 3 + (200, 500, 200), False),
        ((500,) * 3 + (200, 429, 200), True),
    ],
)
def test_checks_in_a_row_put_out_and_in(statuses: tuple[int | None, ...], is_up: bool) -> None:
    """GW-583: out after three failures, in after two successes; 429 says nothing; 200 to 204 are healthy."""
    assert checked(*statuses).is_up is is_up


def test_live_failures_put_out_for_ever_longer_times() -> None:
    """GW-583: five in a row, 10 s x 2^k, at most 300 s; a success forgives."""
    health, now = TargetHealth(), 0
    for expected in (10, 20, 40, 80, 160, 300, 300):
        for _ in range(4):
            health = after_answer(health, now, is_failure=True)
            assert standing(health, now) is Standing.IN
        health = after_answer(health, now, is_failure=True)
        assert health.until_ns == now + expected * SECOND
        assert standing(health, health.until_ns - 1) is Standing.EJECTED
        now = health.until_ns
        assert standing(health, now) is Standing.IN
    assert after_answer(health, now, is_failure=False) == TargetHealth()


def test_checks_outweigh_live_requests() -> None:
    """GW-583: a target whose checks fail is out, whatever live requests say, and no probe is for it."""
    health = checked(500, 500, 500)
    assert standing(after_answer(health, 0, is_failure=False), 0) is Standing.OUT
    ejected = health._replace(until_ns=5)
    assert standing(ejected, 0) is Standing.OUT


@given(st.lists(st.one_of(st.none(), st.booleans(), st.sampled_from([200, 429, 500])), max_size=60))
def test_marks_stay_within_their_bounds(events: list[int | bool | None]) -> None:
    """GW-583: any order of checks and live requests: a row never reaches its end, a time out never passes 300 s."""
    health, now = TargetHealth(), 0
    for event in events:
        now += SECOND
        if isinstance(event, bool):
            health = after_answer(health, now, is_failure=event)
        else:
            health = after_check(health, RULE, event)
        assert health.streak < 3
        assert health.failures < 5
        assert health.until_ns - now <= EJECTED_LIMIT_NS
        assert health.until_ns == 0 or health.until_ns >= EJECTED_NS
