"""Denials that are answered from memory."""

import pytest

from veritape.gateway import denials as module
from veritape.gateway.denials import Denials
from veritape.gateway.fast_quota import Tally, judge, plan_of
from veritape.gateway.quota import Decision, Limits, make_rule

LIMITS = Limits(make_rule(100, 60, 150))
NOVEMBER_US = 1_795_187_045_000_000


def denial(limits: Limits = LIMITS, cost_mu: int = 1_000, spent: int = 150) -> Decision:
    """Return the decision after so many requests."""
    tally = Tally()
    for _ in range(spent):
        judge(plan_of(limits, 1_000, 7), tally, 0, NOVEMBER_US)
    return judge(plan_of(limits, cost_mu, 7), tally, 0, NOVEMBER_US).unfolded()


def test_the_same_request_is_refused_for_a_tenth_of_a_second() -> None:
    """GW-215: with the wait that is left; afterwards the store is asked."""
    kept, decision = Denials(), denial()
    assert decision.limits[0].wait_us == 600_000
    kept.note("a", LIMITS, decision, 1_000)
    assert kept.answer("a", LIMITS, 1_000, 7, 1_000) == decision
    later = kept.answer("a", LIMITS, 1_000, 7, 100_999)
    assert later is not None
    assert (later.admitted, later.limits[0].wait_us, later.retry_after_s) == (False, 500_001, 1)
    assert kept.answer("a", LIMITS, 1_000, 7, 101_000) is None
    assert kept.kept == {}


def test_a_denial_holds_no_longer_than_its_own_wait() -> None:
    """GW-215, GW-206: the moment that Retry-After is exact for is never missed."""
    fast = Limits(make_rule(1_000, 1, 1))
    kept = Denials()
    kept.note("a", fast, denial(fast, spent=1), 0)
    assert kept.answer("a", fast, 1_000, 7, 999) is not None
    assert kept.answer("a", fast, 1_000, 7, 1_000) is None


def test_a_month_s_denial_holds_for_a_second() -> None:
    """GW-215: it ends with the month at the earliest."""
    month, kept = Limits(month_mu=2_000), Denials()
    kept.note("a", month, denial(month, spent=2), 0)
    assert kept.answer("a", month, 1_000, 7, 999_999) is not None
    assert kept.answer("a", month, 1_000, 7, 1_000_000) is None


def test_another_request_is_asked_about() -> None:
    """GW-215: another cost, policy, limit or subject; one that was given something back."""
    kept = Denials()
    kept.note("a", LIMITS, denial(), 0)
    assert kept.answer("b", LIMITS, 1_000, 7, 0) is None
    assert kept.answer("a", LIMITS, 500, 7, 0) is None
    assert kept.answer("a", LIMITS, 1_000, 8, 0) is None
    assert kept.answer("a", LIMITS._replace(concurrency=3), 1_000, 7, 0) is None
    kept.forget("a")
    kept.forget("a")
    assert kept.answer("a", LIMITS, 1_000, 7, 0) is None


def test_what_is_no_denial_to_wait_for_is_not_kept() -> None:
    """GW-215: an admission never is; neither is a cost above the burst."""
    kept = Denials()
    kept.note("a", LIMITS, denial(spent=0), 0)
    kept.note("b", LIMITS, denial(cost_mu=151_000), 0)
    assert kept.kept == {}


def test_random_subjects_do_not_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-908: the bound holds."""
    monkeypatch.setattr(module, "SUBJECTS_LIMIT", 3)
    kept = Denials()
    for number in range(10):
        kept.note(str(number), LIMITS, denial(), 0)
    assert len(kept.kept) <= 3
