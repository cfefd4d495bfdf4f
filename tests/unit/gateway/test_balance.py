"""Which target gets a request; how many retries there are."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.balance import Balance, Load, RetryBudget, may_retry


def test_equals_take_turns_by_weight() -> None:
    """GW-583: with nothing in progress, weights 3 and 1 share 3 to 1, one after the other."""
    balance = Balance(2)
    chosen = [balance.choose([Load(0, 3), Load(0, 1)], [0, 1]) for _ in range(8)]
    assert chosen == [0, 0, 1, 0, 0, 0, 1, 0]


def test_the_least_loaded_for_its_weight_is_chosen() -> None:
    """GW-583: requests in progress are compared per weight; only candidates count."""
    balance = Balance(3)
    assert balance.choose([Load(4, 4), Load(2, 1), Load(0, 1)], [0, 1, 2]) == 2
    assert balance.choose([Load(4, 4), Load(2, 1), Load(0, 1)], [0, 1]) == 0


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_idle_targets_share_by_weight(weights: list[int]) -> None:
    """GW-583: over one full round every target gets exactly its weight."""
    balance, loads = Balance(len(weights)), [Load(0, weight) for weight in weights]
    found = Counter(balance.choose(loads, range(len(weights))) for _ in range(sum(weights)))
    assert [found[index] for index in range(len(weights))] == weights


def test_a_fifth_of_the_requests_may_be_retried() -> None:
    """GW-584: at most 20 % of the requests of 10 s, rounded up; then they count no more."""
    budget = RetryBudget()
    assert not budget.take(0)
    for _ in range(11):
        budget.note_request(0)
    assert [budget.take(5) for _ in range(4)] == [True, True, True, False]
    budget.note_request(9)
    assert not budget.take(9)
    budget.note_request(11)
    assert not budget.take(11)
    budget.note_request(15)
    assert budget.take(15)


def test_the_rule_of_retries() -> None:
    """GW-584: any method if no byte was sent; GET and HEAD if no byte came; never once a body was taken."""
    untouched = {"body_begun": False, "answer_begun": False}
    assert may_retry("POST", request_begun=False, **untouched)
    assert not may_retry("POST", request_begun=True, **untouched)
    assert may_retry("GET", request_begun=True, **untouched)
    assert may_retry("HEAD", request_begun=True, **untouched)
    assert not may_retry("GET", request_begun=True, body_begun=False, answer_begun=True)
    assert not may_retry("GET", request_begun=False, body_begun=True, answer_begun=False)
