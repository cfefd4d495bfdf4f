"""What becomes of an item, and what the runtime refuses (EX-343)."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple, TypeAlias

from veritape.executor.receipts import SimulatedReceipt, decode_receipt


class RuntimeReason(StrEnum):
    """Why the runtime refuses a job, or an item ended without a receipt."""

    UNKNOWN_BACKEND = "unknown_backend"
    """No backend of this name."""
    BACKEND_CANNOT_PROVE = "backend_cannot_prove"
    """A proof was asked of a backend that only executes."""
    BACKEND_UNAVAILABLE = "backend_unavailable"
    """The backend says that it cannot run here."""
    TOO_MANY_ITEMS = "too_many_items"
    """Over 65,536 inputs in one batch."""
    INPUT_TOO_LARGE = "input_too_large"
    """An input is over its limit."""
    NEEDS_MEMORY = "needs_memory"
    """One job alone needs more than the memory budget."""
    QUEUE_FULL = "queue_full"
    """The queue holds as many items as it may."""
    CLOSED = "closed"
    """The runtime was closed."""
    WORKER_LOST = "worker_lost"
    """The item's worker died twice."""
    INTERNAL_ERROR = "internal_error"
    """A bug of ours ended the item; the message names it."""
    CACHE_WRITE_FAILED = "cache_write_failed"
    """The disk refused to keep the item's receipt."""


class JobReason(StrEnum):
    """Why a request about a job is refused."""

    UNKNOWN_PROGRAM = "unknown_program"
    """Only registered programs run here."""
    BAD_REQUEST = "bad_request"
    """The body is no job: the detail names the member."""
    NOT_FOUND = "not_found"
    """No such job, or it was forgotten."""
    BODY_TOO_LARGE = "body_too_large"
    """Over 64 MiB."""


class Cost(NamedTuple):
    """What a job takes."""

    bytes: int
    """Peak memory."""


@dataclass
class Executed:
    """Executed, not proven. Not frozen: a batch makes ten thousand in one go, and a frozen one takes twice as long."""

    data: bytes
    """The receipt's file: of many receipts nobody looks inside, so it is read when somebody does."""
    index: int
    """Place of its claim in the batch's list of claims."""
    cached: bool = False
    """It was not executed now."""

    @cached_property
    def receipt(self) -> SimulatedReceipt:
        """Return the receipt; equal inputs of a batch share one."""
        return decode_receipt(self.data)


@dataclass(frozen=True)
class Failed:
    """Ended with an error."""

    reason: StrEnum
    """A trap of the guest or a reason of the runtime."""
    detail: str
    """One line."""


@dataclass(frozen=True)
class Cancelled:
    """The caller wanted no more."""


@dataclass(frozen=True)
class DeadlineExceeded:
    """There was no time left."""


Outcome: TypeAlias = Executed | Failed | Cancelled | DeadlineExceeded
"""What becomes of an item."""
