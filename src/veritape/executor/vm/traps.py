"""How an execution ends without halting: traps as values (EX-108)."""

from dataclasses import dataclass
from enum import StrEnum


class TrapReason(StrEnum):
    """Why the machine stopped."""

    ILLEGAL_INSTRUCTION = "illegal_instruction"
    """The word fetched does not decode."""
    BREAKPOINT = "breakpoint"
    """EBREAK."""
    FETCH_FAULT = "fetch_fault"
    """The program counter left the executable segments."""
    MISALIGNED_FETCH = "misaligned_fetch"
    """The target of a jump or taken branch is no multiple of 4; the jump itself traps."""
    MISALIGNED_ACCESS = "misaligned_access"
    """A halfword at an odd address, or a word not at a multiple of 4."""
    LOAD_FAULT = "load_fault"
    """A load from an address that is not mapped."""
    STORE_FAULT = "store_fault"
    """A store to an address that is not mapped."""
    STORE_TO_READONLY = "store_to_readonly"
    """A store into a segment without write permission."""
    UNKNOWN_ECALL = "unknown_ecall"
    """The call number in a7 names no call."""
    BAD_ECALL_ARGUMENT = "bad_ecall_argument"
    """A pointer or length of a call is misaligned, out of range or not mapped as the call needs."""
    NONCANONICAL_FIELD_ELEMENT = "noncanonical_field_element"
    """A word handed to Poseidon2 is not below the field's prime."""
    JOURNAL_LIMIT = "journal_limit"
    """A commit would make the journal longer than its limit."""
    WORK_LIMIT = "work_limit"
    """The next instruction would exceed the run's work: cycles, and what accelerated calls stand for."""
    CYCLE_LIMIT = "cycle_limit"
    """The next instruction would exceed the cycles allowed."""


@dataclass(frozen=True)
class Trap:
    """Where and why an execution stopped."""

    reason: TrapReason
    """Cause."""
    pc: int
    """Address of the instruction that trapped."""
    word: int
    """That instruction, 0 where none could be fetched."""
    address: int
    """Faulting address of a fetch, load, store, jump or call, else 0."""
    cycles: int
    """Instructions retired before it."""


class Trapped(Exception):  # noqa: N818 - control flow inside the readable machine; never leaves it
    """Unwinds one instruction of the readable machine."""

    def __init__(self, reason: TrapReason, address: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.address = address
