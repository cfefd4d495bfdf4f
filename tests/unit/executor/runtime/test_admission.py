"""Admission by memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.executor.runtime.admission import Admission, is_fault
from veritape.executor.runtime.outcomes import Cost, RuntimeReason
from veritape.kernel.errors import UnavailableError


def test_two_jobs_over_the_budget_never_run_together() -> None:
    """EX-813: the second waits until the first has given back its bytes."""
    admission = Admission(100)
    assert admission.start(Cost(60))
    assert not admission.start(Cost(41))
    assert admission.start(Cost(40))
    admission.end(Cost(60))
    assert admission.start(Cost(41))


def test_a_job_over_the_budget_is_refused_before_it_starts() -> None:
    """EX-351: needs_memory with the figure."""
    with pytest.raises(UnavailableError, match="needs 1,001 bytes and the budget is 1,000") as caught:
        Admission(1000).check(Cost(1001))
    assert caught.value.reason is RuntimeReason.NEEDS_MEMORY
    Admission(1000).check(Cost(1000))


def test_a_wrong_prediction_is_a_fault() -> None:
    """EX-351: a peak over the prediction times 1.15."""
    assert not is_fault(1149, Cost(1000))
    assert is_fault(1151, Cost(1000))


@given(st.lists(st.tuples(st.integers(1, 50), st.booleans()), max_size=50))
def test_the_budget_holds_for_any_history(steps: list[tuple[int, bool]]) -> None:
    """EX-351: predicted bytes of running jobs never exceed the budget."""
    admission, running = Admission(100), list[Cost]()
    for size, ends in steps:
        if ends and running:
            admission.end(running.pop())
        elif admission.start(Cost(size)):
            running.append(Cost(size))
        assert admission.running_bytes == sum(cost.bytes for cost in running) <= 100
