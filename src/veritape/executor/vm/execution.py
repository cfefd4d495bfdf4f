"""What goes into an execution and what comes out of it, for either implementation of the machine."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from veritape.executor.image import Image
from veritape.executor.vm.decoding import Operation
from veritape.executor.vm.traps import Trap
from veritape.kernel.errors import VeritapeError

CYCLE_CLASSES = ("alu", "shift", "multiply", "divide", "load", "store", "branch", "jump", "ecall")
"""Classes of retired instructions, in the order of a receipt's detail (EX-187)."""

MAX_CYCLES = 1_000_000_000
"""Cycles of a run unless the caller says otherwise (EX-661)."""

MAX_JOURNAL_BYTES = 65_536
"""Journal of a run unless the caller says otherwise."""

MAX_INPUT_BYTES = 67_108_864
"""Input of a run unless the caller says otherwise."""

HARD_MAX_CYCLES = 1 << 40
"""Cycles that no setting can exceed: a claim cannot name more."""

HARD_MAX_JOURNAL_BYTES = 1_048_576
"""Journal that no setting can exceed."""

HARD_MAX_INPUT_BYTES = 1 << 30
"""Input that no setting can exceed."""

SHA256_WORK, POSEIDON2_WORK = 64, 256
"""Units of work of one SHA-256 block and of one permutation; an instruction is one (EX-205)."""

WORK_PER_CYCLE = 4
"""Work that a run may do for each cycle that it may retire."""

WORK_BETWEEN_LOOKS = 1 << 18
"""Units of work between two looks at the stop token: a few milliseconds compiled."""


def cycle_class(operation: Operation) -> str:
    """Return the class that an instruction is counted in; FENCE and EBREAK count as alu."""
    return _CLASSES.get(operation, "alu")


_CLASSES: Final = {
    **dict.fromkeys((Operation.SLL, Operation.SRL, Operation.SRA), "shift"),
    **dict.fromkeys((Operation.SLLI, Operation.SRLI, Operation.SRAI), "shift"),
    **dict.fromkeys((Operation.MUL, Operation.MULH, Operation.MULHSU, Operation.MULHU), "multiply"),
    **dict.fromkeys((Operation.DIV, Operation.DIVU, Operation.REM, Operation.REMU), "divide"),
    **dict.fromkeys((Operation(number) for number in range(Operation.LB, Operation.LHU + 1)), "load"),
    **dict.fromkeys((Operation.SB, Operation.SH, Operation.SW), "store"),
    **dict.fromkeys((Operation(number) for number in range(Operation.BEQ, Operation.BGEU + 1)), "branch"),
    **dict.fromkeys((Operation.JAL, Operation.JALR), "jump"),
    Operation.ECALL: "ecall",
}


@dataclass(frozen=True)
class Limits:
    """Bounds of one execution; no part of a claim."""

    cycles: int = MAX_CYCLES
    """Instructions that may retire."""
    journal_bytes: int = MAX_JOURNAL_BYTES
    """Longest journal."""
    input_bytes: int = MAX_INPUT_BYTES
    """Longest input."""
    work: int | None = None
    """Units of work; None: four times the cycles."""

    @property
    def max_work(self) -> int:
        """Return the units of work after which an execution is stopped (EX-205)."""
        return WORK_PER_CYCLE * self.cycles if self.work is None else self.work


DEFAULT_LIMITS = Limits()
"""Limits of a run."""


@dataclass(frozen=True)
class Detail:
    """Unproven detail beside a claim, for estimates of proving cost (EX-187)."""

    cycles_by_class: tuple[int, ...] = (0,) * len(CYCLE_CLASSES)
    """Retired instructions, in the order of ``CYCLE_CLASSES``."""
    poseidon2_permutations: int = 0
    """Permutations asked for by call."""
    sha256_blocks: int = 0
    """SHA-256 blocks of 64 bytes asked for by call."""
    words_touched: int = 0
    """Distinct words that loads, stores and calls read or wrote."""
    input_words_read: int = 0
    """Words of input delivered."""


@dataclass(frozen=True)
class Execution:
    """How one execution ended."""

    exit_code: int | None
    """What the guest halted with; None after a trap."""
    trap: Trap | None
    """Why it stopped without halting; None after a halt."""
    cycles: int
    """Instructions retired, the halting ECALL included."""
    journal: bytes
    """Public output."""
    registers: tuple[int, ...]
    """The 32 registers at the end."""
    detail: Detail = field(default_factory=Detail)
    """Unproven detail."""


DebugSink: TypeAlias = Callable[[bytes], None]
"""Takes the bytes of a debug call; None keeps the call without effect."""


Stop: TypeAlias = Callable[[], bool]
"""Tells whether the caller wants no more; looked at between bounded amounts of work (EX-354)."""


class StoppedError(VeritapeError):
    """The stop token ended an execution; nothing can be said of the program."""


def never() -> bool:
    """Return False: the stop token of who does not stop."""
    return False


class Machine(Protocol):
    """An implementation of the machine, passed in as a value."""

    def __call__(
        self,
        image: Image,
        input_bytes: bytes,
        limits: Limits = ...,
        debug: DebugSink | None = None,
        stop: Stop = ...,
    ) -> Execution:
        """Run a program over an input until it halts or traps.

        Raises:
            StoppedError: the stop token said so.
        """
        ...


class BatchMachine(Protocol):
    """Runs one program over many inputs, one after the other."""

    def __call__(
        self, image: Image, inputs: Sequence[bytes], limits: Limits = ..., stop: Stop = ...
    ) -> Iterator[Execution]:
        """Yield the executions in the order of the inputs.

        Raises:
            StoppedError: the stop token said so; what was yielded before counts.
        """
        ...
