"""Outcomes are values."""

from tests.compiled import SIMULATOR
from tests.receipt_caches import ECHO

from veritape.executor.runtime.outcomes import (
    Cancelled,
    Cost,
    DeadlineExceeded,
    Executed,
    Failed,
    RuntimeReason,
)


def test_outcomes_compare_as_values() -> None:
    """EX-343: Executed carries a simulated receipt and its claim's index; the others say why there is none."""
    receipt = SIMULATOR.run(ECHO, b"abcd")
    executed = Executed(receipt.to_bytes(), 3)
    assert executed == Executed(receipt.to_bytes(), 3, cached=False)
    assert executed.receipt == receipt
    assert Failed(RuntimeReason.WORKER_LOST, "twice") != Failed(RuntimeReason.INPUT_TOO_LARGE, "twice")
    assert Cancelled() == Cancelled()
    assert DeadlineExceeded() == DeadlineExceeded()
    assert Cost(5).bytes == 5
