"""Which jobs may run together (EX-351): predicted bytes of all running ones stay within the budget."""

from veritape.executor.runtime.outcomes import Cost, RuntimeReason
from veritape.kernel.errors import UnavailableError

FAULT_FACTOR = 1.15
"""A peak above the prediction by more than this is a fault of ours."""


class Admission:
    """Counts what runs; the caller holds a lock."""

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        """Bytes that running jobs may take together."""
        self.running_bytes = 0
        """Predicted bytes of those that run."""

    def check(self, cost: Cost) -> None:
        """Refuse a job that could never start.

        Raises:
            UnavailableError: ``needs_memory`` with the figure.
        """
        if cost.bytes > self.budget_bytes:
            raise UnavailableError(
                f"needs_memory: one job needs {cost.bytes:,} bytes and the budget is {self.budget_bytes:,}:"
                " raise executor.memory_budget, or give the guest less memory",
                RuntimeReason.NEEDS_MEMORY,
            )

    def start(self, cost: Cost) -> bool:
        """Admit a job when it fits beside those that run."""
        if self.running_bytes + cost.bytes > self.budget_bytes:
            return False
        self.running_bytes += cost.bytes
        return True

    def end(self, cost: Cost) -> None:
        """Give back what a job took."""
        self.running_bytes -= cost.bytes


def is_fault(peak_bytes: int, cost: Cost) -> bool:
    """Tell whether a job took so much more than was predicted that the prediction is wrong."""
    return peak_bytes > cost.bytes * FAULT_FACTOR
