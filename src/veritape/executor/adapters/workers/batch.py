"""A batch on its way, as a value: its inputs, who is at them, and what became of them."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from veritape.executor.image import Image
from veritape.executor.runtime.outcomes import Executed, Outcome
from veritape.executor.runtime.progress import Meter, Progress
from veritape.executor.vm.execution import Limits, Stop

Show = Callable[[Progress], None]
"""Takes progress values."""


@dataclass
class Batch:
    """Distinct inputs of one program, and what became of them. A place is an input's number."""

    image: Image
    """The program."""
    program_id: bytes
    """Its id."""
    inputs: Sequence[bytes]
    """Distinct."""
    limits: Limits
    """Of each execution."""
    end_ns: int | None
    """Deadline, monotonic."""
    stop: Stop
    """The caller's stop token."""
    meter: Meter
    """Makes progress values."""
    show: Show
    """Takes them."""
    kept: bool = True
    """Put receipts into the cache."""
    keys: dict[int, bytes] = field(default_factory=dict)
    """Of the cache, by place, of what is pending."""
    results: list[Outcome | None] = field(init=False)
    """By place; an execution's index is its place until all are known."""
    done: int = 0
    """Results that are known."""
    executed: int = 0
    """Results that are executions of this batch."""
    cached: dict[int, bytes] = field(default_factory=dict)
    """Receipts' files that came from the cache, by place: their results are told at the end, by the limits of this batch."""
    unseen: deque[int] = field(default_factory=deque)
    """Places that nobody has looked up, or looks up now."""
    pending: deque[int] = field(default_factory=deque)
    """Places that were looked up, are not cached, and nobody works on yet."""

    def __post_init__(self) -> None:
        self.results = [None] * len(self.inputs)

    def keep(self, places: Sequence[int], receipts: Sequence[bytes]) -> None:
        """Take receipts' files of executions."""
        results = self.results
        for place, receipt in zip(places, receipts, strict=True):
            results[place] = Executed(receipt, place)
        self.executed += len(receipts)
        self.done += len(receipts)

    def find(self, place: int, receipt: bytes) -> None:
        """Take a receipt's file from the cache."""
        self.cached[place] = receipt
        self.done += 1

    def end(self, place: int, outcome: Outcome) -> None:
        """Take what is no execution."""
        self.results[place] = outcome
        self.done += 1

    def rest(self) -> list[int]:
        """Return the places of which nothing is known."""
        return [
            place for place, result in enumerate(self.results) if result is None and place not in self.cached
        ]
