"""Backends: what turns inputs into receipts (EX-341).

``TraceBackend`` executes and yields ``SimulatedReceipt``; it is not called a zkVM and proves nothing. A backend that proves will
yield another type, so no caller can take one for the other, and nothing chooses a backend by itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, TypeVar

from veritape.executor.aggregation.cost_samples import Measured
from veritape.executor.claims import program_id
from veritape.executor.digests import DigestEach, Tag, bytes_digest
from veritape.executor.image import Image
from veritape.executor.receipts import SimulatedReceipt, describe_trap, receipt_of
from veritape.executor.runtime.outcomes import Cost, Failed, RuntimeReason
from veritape.executor.vm.execution import (
    DEFAULT_LIMITS,
    BatchMachine,
    DebugSink,
    Execution,
    Limits,
    Machine,
    Stop,
    StoppedError,
    never,
)
from veritape.kernel.errors import MisuseError
from veritape.stark.hashing import Sponge

WORKER_BYTES: Final = 64 * 1024 * 1024
"""What a worker takes beside the memory of its guest: interpreter and kernels."""

ReceiptT_co = TypeVar("ReceiptT_co", covariant=True)


class BackendType(StrEnum):
    """Backends by name; there is no ``auto`` that could choose the simulator."""

    TRACE = "trace"
    """Executes; what it yields is executed, not proven."""


class ProgramBackend(Protocol[ReceiptT_co]):
    """Runs one program over inputs."""

    @property
    def name(self) -> BackendType:
        """Return its name."""
        ...

    def estimate(self, image: Image, input_bytes: int, limits: Limits, threads: int = 1) -> Cost:
        """Return what a job over inputs of at most this length takes on so many threads, before it runs."""
        ...

    def run(
        self,
        image: Image,
        inputs: Sequence[bytes],
        limits: Limits,
        stop: Stop,
        digests: Sequence[bytes] | None = None,
    ) -> Iterator["ReceiptT_co | Failed"]:
        """Yield a receipt or a failure for each input, in order.

        Args:
            image: the program.
            inputs: what it reads.
            limits: of each execution.
            stop: the stop token.
            digests: of the inputs, where they were taken before.

        Raises:
            StoppedError: the stop token said so; what was yielded before counts.
        """
        ...

    @property
    def parameters(self) -> bytes:
        """Return the id of its parameter set; zeros where there is none to choose."""
        ...

    def measured(self) -> Sequence[Measured]:
        """Return what its work has cost since this was last asked (EX-446)."""
        ...

    def available(self) -> str | None:
        """Return why this backend cannot run here, None when it can."""
        ...


@dataclass(frozen=True)
class Simulator:
    """A machine and its digests, readable or compiled: they agree, so the receipts are the same."""

    machine: Machine
    """Executes one input."""
    sponge: Sponge
    """Hashes."""
    batch: BatchMachine
    """Executes many inputs."""
    digests: DigestEach
    """Hashes many byte strings."""

    def run(
        self,
        image: Image,
        input_bytes: bytes,
        limits: Limits = DEFAULT_LIMITS,
        debug: DebugSink | None = None,
    ) -> SimulatedReceipt:
        """Return the receipt of one execution.

        Raises:
            MisuseError: the input is over its limit.
            PeerError: the guest trapped; a trap yields no claim.
        """
        if len(input_bytes) > limits.input_bytes:
            raise MisuseError(
                f"input_too_large: {len(input_bytes)} bytes, at most {limits.input_bytes}: split the input"
            )
        return self.receipt(image, input_bytes, self.machine(image, input_bytes, limits, debug))

    def program_id(self, image: Image) -> bytes:
        """Return what names a program."""
        return program_id(image, self.sponge)

    def receipt(self, image: Image, input_bytes: bytes, execution: Execution) -> SimulatedReceipt:
        """Return the receipt of an execution.

        Raises:
            PeerError: it trapped.
        """
        input_digest = bytes_digest(Tag.INPUT, input_bytes, self.sponge)
        journal_digest = bytes_digest(Tag.JOURNAL, execution.journal, self.sponge)
        return receipt_of(self.program_id(image), input_digest, execution, journal_digest)


class TraceBackend:
    """Executes and yields simulated receipts: executed, not proven."""

    name = BackendType.TRACE
    parameters = bytes(32)

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self._ids: dict[Image, bytes] = {}

    def program_id(self, image: Image) -> bytes:
        """Return a program's id; it is hashed once."""
        if image not in self._ids:
            self._ids[image] = self.simulator.program_id(image)
        return self._ids[image]

    def estimate(self, image: Image, input_bytes: int, limits: Limits, threads: int = 1) -> Cost:
        """Return the memory of a job: a guest's, its input and journal for each thread, and the worker's own (EX-351)."""
        return Cost(threads * (image.memory_bytes + input_bytes + limits.journal_bytes) + WORKER_BYTES)

    def run(
        self,
        image: Image,
        inputs: Sequence[bytes],
        limits: Limits,
        stop: Stop = never,
        digests: Sequence[bytes] | None = None,
    ) -> Iterator[SimulatedReceipt | Failed]:
        """Yield what each input gives."""
        fitting = [data for data in inputs if len(data) <= limits.input_bytes]
        executions = self.simulator.batch(image, fitting, limits, stop)
        for first in range(0, len(inputs), _AT_ONCE):
            chosen = inputs[first : first + _AT_ONCE]
            taken = (
                digests[first : first + _AT_ONCE] if digests else self.simulator.digests(Tag.INPUT, chosen)
            )
            yield from self._some(self.program_id(image), chosen, taken, executions, limits)

    def measured(self) -> Sequence[Measured]:
        """Return nothing: every figure is of a proof, and what executing costs would pass for it."""
        return ()

    def available(self) -> str | None:
        """Return None: executing needs nothing."""
        return None

    def _some(
        self,
        program: bytes,
        inputs: Sequence[bytes],
        digests: Sequence[bytes],
        executions: Iterator[Execution],
        limits: Limits,
    ) -> Iterator[SimulatedReceipt | Failed]:
        fitting = sum(len(data) <= limits.input_bytes for data in inputs)
        done, stopped = _taken(executions, fitting)
        journals = iter(self.simulator.digests(Tag.JOURNAL, [one.journal for one in done]))
        left = iter(done)
        for data, digest in zip(inputs, digests, strict=True):
            if len(data) > limits.input_bytes:
                text = f"{len(data)} bytes, at most {limits.input_bytes}: split the input"
                yield Failed(RuntimeReason.INPUT_TOO_LARGE, text)
                continue
            execution = next(left, None)
            if execution is None:
                break
            journal_digest = next(journals)
            if execution.trap is not None:
                yield Failed(execution.trap.reason, describe_trap(execution))
            else:
                yield receipt_of(program, digest, execution, journal_digest)
        if stopped:
            raise StoppedError("stopped between two executions")


def _taken(executions: Iterator[Execution], count: int) -> tuple[list[Execution], bool]:
    """Return the next executions, and whether the stop token ended them early.

    The error itself is not handed on: held in a frame of its own traceback it would keep a whole machine's memory alive.
    """
    done: list[Execution] = []
    try:
        for _ in range(count):
            done.append(next(executions))  # noqa: PERF401 - what came before a stop counts
    except StoppedError:
        return done, True
    return done, False


def backend_type(name: str) -> BackendType:
    """Return the backend of a name.

    Raises:
        MisuseError: ``unknown_backend``, with the list.
    """
    try:
        return BackendType(name)
    except ValueError as error:
        known = ", ".join(BackendType)
        raise MisuseError(
            f"unknown_backend: {name!r}: there is {known}", RuntimeReason.UNKNOWN_BACKEND
        ) from error


_AT_ONCE = 1024
"""Inputs that are hashed in one call."""
