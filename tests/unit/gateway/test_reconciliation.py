"""Counters against the ledger: what agrees, what differs, and what a fold leaves."""

from hypothesis import given
from hypothesis import strategies as st
from tests.usage import BOOT, WALL_US

from veritape.gateway.reconciliation import (
    CLOSED,
    Counter,
    Difference,
    Repair,
    Share,
    by_name,
    differences,
    folded,
    repair_event,
    repairs_line,
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


def test_a_line_tells_whose_counter_it_was_and_which_boots_differed() -> None:
    """GW-673: enough to look for it: subject, both figures, each boot's, what leases held; five at most."""
    one = Repair("acme:live", 54_000, 10_500, 2_000, (("00ff", 50_000, 6_500), ("01aa", 0, 0)))
    begins = "counters of 2026-11 differed from the ledger and were set to what it has: "
    told = "acme:live from 54 to 10.5 units, boot 00ff counted 50 of 6.5, boot 01aa counted 0 of 0, 2 held by leases"
    assert repairs_line("2026-11", [one]) == f"1 {begins}{told}"
    many = [Repair(f"a{number}:live", 0, 1_000) for number in range(7)]
    assert repairs_line("2026-11", many).startswith(f"7 {begins}a0:live from 0 to 1 units; a1:live")
    assert repairs_line("2026-11", many).endswith(
        "; a4:live from 0 to 1 units; and 2 more, in the ledger as kind reconciled"
    )
