"""Counters against the ledger: what agrees, what differs, and what a fold leaves."""

from hypothesis import given
from hypothesis import strategies as st
from tests.usage import BOOT, WALL_US

from veritape.gateway.reconciliation import (
    CLOSED,
    Counter,
    Difference,
    Share,
    by_name,
    differences,
    folded,
    repair_event,
)
from veritape.gateway.shared_state import Month
from veritape.gateway.usage import Kind

MU = st.integers(0, 1 << 40)
BOOTS = st.sampled_from(["aa", "bb", "cc", "dd"])


def counter(total_mu: int, held_mu: int = 0) -> Counter:
    return Counter(Month(total_mu, {}), held_mu)


def test_at_rest_only_equal_agrees() -> None:
    """GW-673: the difference at rest is counter less ledger, to the mu; leases do not count."""
    ledger = {"a": 5_000, "b": 7_000, "unknown to the store": 9}
    counters = {"a": counter(5_000), "b": counter(9_000, 2_000)}
    assert differences(ledger, counters, ledger) == []
    planted = {"a": counter(5_001), "b": counter(8_999, 2_000), "c": counter(1)}
    found = differences(ledger, planted, ledger)
    assert found == [Difference("a", 5_001, 5_000), Difference("b", 6_999, 7_000), Difference("c", 1, 0)]
    assert [one.off_mu for one in found] == [1, -1, 1]


def test_while_requests_are_served_the_ledger_may_lag() -> None:
    """GW-673: a counter between two looks at the ledger agrees; one outside does not."""
    for counter_mu, agrees in ((4, False), (5, True), (7, True), (9, True), (10, False)):
        assert (differences({"a": 5}, {"a": counter(counter_mu)}, {"a": 9}) == []) is agrees
    assert differences({"a": 9}, {"a": counter(7)}, {"a": 5}) == []


@given(st.dictionaries(BOOTS, MU), st.sets(BOOTS), MU, MU)
def test_a_fold_is_exact_whatever_was_before(
    shares: dict[str, int], closed: set[str], closed_mu: int, wrong_mu: int
) -> None:
    """GW-672: living shares stay, the closed ones are what the ledger says, the total is their sum; twice is once."""
    month = folded(Month(wrong_mu, {**shares, CLOSED: wrong_mu}), closed_mu, closed)
    living = {boot: units_mu for boot, units_mu in shares.items() if boot not in closed}
    assert month == Month(sum(living.values()) + closed_mu, {**living, CLOSED: closed_mu})
    assert folded(month, closed_mu, closed) == month


def test_shares_by_name() -> None:
    shares = {
        Share("a", "01", closed=True): 3,
        Share("a", "02", closed=True): 4,
        Share("a", "03", closed=False): 5,
    }
    assert by_name({**shares, Share("b", "03", closed=False): 6}) == {
        "a": {CLOSED: 7, "03": 5},
        "b": {"03": 6},
    }


def test_a_repair_explains_itself() -> None:
    """GW-673: before and after, no units."""
    event = repair_event(BOOT, 3, "acme:live", "2026-11", (9_000, 4_000), WALL_US)
    assert (event.kind, event.seq, event.units_mu, event.reason) == (
        Kind.RECONCILED,
        3,
        0,
        "counter 9000 to 4000 mu",
    )
