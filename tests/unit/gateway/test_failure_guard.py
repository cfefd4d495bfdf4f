"""Who fails too often waits."""

from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.failure_guard import GROUPS_LIMIT, FailureGuard
from veritape.gateway.memory_store import MemoryStore
from veritape.gateway.quota import MICROSECONDS, MU, Limits, make_rule

RULE = make_rule(30, 60, 30)


def test_thirty_failures_at_once_or_a_minute() -> None:
    """GW-444: the thirty-first waits two seconds, by group."""
    guard = FailureGuard()
    for _ in range(30):
        assert guard.wait_s("a", RULE, 0) == 0
        guard.note("a", RULE, 0)
    assert guard.wait_s("a", RULE, 0) == 2
    assert guard.wait_s("b", RULE, 0) == 0
    assert guard.wait_s("a", RULE, 2 * MICROSECONDS) == 0
    for _ in range(50):
        guard.note("a", RULE, 0)
    assert guard.wait_s("a", RULE, 0) == 2


def test_only_so_many_groups_are_remembered() -> None:
    """GW-908: the group that failed longest ago is forgotten first."""
    assert GROUPS_LIMIT == 100_000
    guard = FailureGuard(groups_limit=2)
    for group in ("a", "b", "a", "c"):
        guard.note(group, make_rule(1, 60, 1), 0)
    assert len(guard) == 2
    assert [guard.wait_s(group, make_rule(1, 60, 1), 0) > 0 for group in "abc"] == [True, False, True]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), max_size=80))
def test_it_agrees_with_the_store_of_quotas(steps: list[tuple[bool, int]]) -> None:
    """GW-444: one failure is one unit of a bucket like any other."""
    guard, store, now_us = FailureGuard(), MemoryStore(), 0
    for is_failure, seconds in steps:
        now_us += seconds * MICROSECONDS
        limits = Limits(RULE)
        owed = store.status("a", limits, now_us, 0).minute.debt
        may_go = owed + MU * RULE.weight <= RULE.burst_mu * RULE.weight
        assert (guard.wait_s("a", RULE, now_us) == 0) is may_go
        if is_failure:
            guard.note("a", RULE, now_us)
            store.decide("a", limits, MU, now_us, 0, 1)
