"""A batch on its way, as a value: its inputs, who is at them, and what became of them."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from veritape.executor.image import Image
from veritape.executor.runtime.outcomes import Cancelled, DeadlineExceeded, Failed
from veritape.executor.runtime.progress import Meter, Progress
from veritape.executor.vm.execution import Limits, Stop

Show = Callable[[Progress], None]
"""Takes progress values."""

Result = bytes | Failed | Cancelled | DeadlineExceeded
"""What became of a distinct input; bytes are a receipt's file."""


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
    keep: bool = True
    """Put receipts into the cache."""
    keys: dict[int, bytes] = field(default_factory=dict)
    """Of the cache, by place, of what is pending."""
    results: dict[int, Result] = field(default_factory=dict)
    """By place."""
    cached: set[int] = field(default_factory=set)
    """Places whose results came from the cache."""
    unseen: deque[int] = field(default_factory=deque)
    """Places that nobody has looked up, or looks up now."""
    pending: deque[int] = field(default_factory=deque)
    """Places that were looked up, are not cached, and nobody works on yet."""
