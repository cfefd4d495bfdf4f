"""The compiled machine as a value: lays out memory, decodes the program, calls the kernel until the guest ends."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from veritape.executor.image import CODE_END, CODE_START, WORD_BYTES, Image, Permission
from veritape.executor.vm import calls
from veritape.executor.vm.compiled import kernel, layout
from veritape.executor.vm.compiled.calls import accelerated
from veritape.executor.vm.decoding import decode
from veritape.executor.vm.execution import (
    CYCLE_CLASSES,
    DEFAULT_LIMITS,
    WORK_BETWEEN_LOOKS,
    DebugSink,
    Detail,
    Execution,
    Limits,
    Stop,
    StoppedError,
    never,
)
from veritape.executor.vm.traps import Trap, TrapReason

JOURNALS_BYTES = 1 << 20
"""Bytes that a batch's journals fill before Python takes them, beside room for one more."""

BATCH_ITEMS = 4096
"""Inputs that are laid out for the kernel at once: bounds memory, not speed."""

KEPT_BYTES = 1 << 26
"""Memory of a program up to which what was made of it is kept for its next batch: a fourth of it, well within a worker's own."""

_REASONS = tuple(TrapReason)
_WITHOUT_WORD = frozenset({TrapReason.FETCH_FAULT, TrapReason.CYCLE_LIMIT, TrapReason.WORK_LIMIT})


class Prepared:
    """One program, decoded, and a memory for its executions; used by one thread at a time."""

    def __init__(self, image: Image) -> None:
        self.image = image
        known = _laid_out_once(image) if image.memory_bytes <= KEPT_BYTES else _laid_out(image)
        self.initial, self.permissions, self.start, self.operations, self.immediates = known
        self.words = _words(image)
        self.touched = np.zeros(self.words.size, dtype=np.uint8)
        self.places = np.empty(self.words.size, dtype=np.int32)
        self.state = np.zeros(layout.STATE_SIZE, dtype=np.int64)
        self.registers = np.zeros(32, dtype=np.int64)
        self.counts = np.zeros(len(CYCLE_CLASSES), dtype=np.int64)

    def execute(
        self, input_bytes: bytes, limits: Limits, debug: DebugSink | None = None, stop: Stop = never
    ) -> Execution:
        """Run over one input; the memory is as before afterwards."""
        self.state[:], self.registers[:], self.counts[:] = 0, 0, 0
        self.state[layout.PC], self.registers[2] = self.image.entry, self.image.memory_end
        journal = np.zeros(limits.journal_bytes, dtype=np.uint8)
        data = np.frombuffer(input_bytes, dtype=np.uint8)
        try:
            status = self._run(data, journal, limits, debug, stop)
            row = [status, self._word(), *self.state.tolist(), *self.counts.tolist()]
            return execution(row, self.registers.tolist(), journal[: self.state[layout.JOURNAL]].tobytes())
        finally:
            kernel.undo(self.words, self.initial, self.touched, self.places, self.state[layout.TOUCHED])

    def _run(self, data: Any, journal: Any, limits: Limits, debug: DebugSink | None, stop: Stop) -> int:
        status = layout.RUNNING
        while status in {layout.RUNNING, layout.DEBUGGING}:
            if stop():
                raise StoppedError("stopped between two instructions")
            used = int(self.state[layout.CYCLES]) + int(accelerated(self.state))
            status = kernel.run(
                self.state, self.registers, self.counts, self.operations, self.immediates, self.start, self.words,
                self.permissions, self.touched, self.places, data, journal, limits.cycles,
                min(WORK_BETWEEN_LOOKS, limits.max_work - used), debug is not None,
            )  # fmt: skip
            if status == layout.DEBUGGING:
                _say(self.registers, self.words, self.permissions, debug)
            if status in {layout.RUNNING, layout.DEBUGGING}:
                limited = kernel.limit_reached(self.state, limits.cycles, limits.max_work)
                status = limited or status
        return int(status)

    def _word(self) -> int:
        place = int(self.state[layout.PC]) // WORD_BYTES
        return int(self.words[place]) if 0 <= place < self.words.size else 0


class Batch:
    """The executions of one program over many inputs, as arrays: what the kernel does without Python in between."""

    def __init__(self, prepared: Prepared, inputs: Sequence[bytes], limits: Limits) -> None:
        self._prepared, self._limits = prepared, limits
        self._data = np.frombuffer(b"".join(inputs), dtype=np.uint8)
        self._offsets = np.zeros(len(inputs) + 1, dtype=np.int64)
        np.cumsum([len(data) for data in inputs], out=self._offsets[1:])
        self._journal = np.zeros(limits.journal_bytes, dtype=np.uint8)
        self._buffer = np.empty(JOURNALS_BYTES + limits.journal_bytes, dtype=np.uint8)
        self._progress = np.zeros(3, dtype=np.int64)
        self.results = np.zeros((len(inputs), layout.RESULT_SIZE), dtype=np.int64)
        self.registers = np.zeros((len(inputs), 32), dtype=np.uint32)
        self.journals = b""

    def run(self, stop: Stop = never) -> int:
        """Execute until all inputs are done or the stop token says so; return how many are done."""
        made, parts = self._prepared, []
        while self._progress[0] < len(self.results) and not stop():
            kernel.run_batch(
                self._progress, made.state, made.registers, made.counts, made.operations, made.immediates, made.start,
                made.words, made.permissions, made.touched, made.places, made.initial, self._data, self._offsets,
                self._journal, made.image.entry, made.image.memory_end, self._limits.cycles, self._limits.max_work,
                WORK_BETWEEN_LOOKS, self.results, self.registers, self._buffer,
            )  # fmt: skip
            if self._progress[2] > JOURNALS_BYTES or self._progress[0] == len(self.results):
                parts.append(self._buffer[: self._progress[2]].tobytes())
                self._progress[2] = 0
        parts.append(self._buffer[: self._progress[2]].tobytes())
        if self._progress[1]:
            kernel.undo(made.words, made.initial, made.touched, made.places, made.state[layout.TOUCHED])
        self.journals = b"".join(parts)
        return int(self._progress[0])

    def executions(self, done: int) -> Iterator[Execution]:
        """Yield the first executions as values."""
        place = 0
        for row, registers in zip(self.results[:done].tolist(), self.registers[:done].tolist(), strict=True):
            end = place + row[layout.RESULT_STATE + layout.JOURNAL]
            yield execution(row, registers, self.journals[place:end])
            place = end


def execute(
    image: Image,
    input_bytes: bytes,
    limits: Limits = DEFAULT_LIMITS,
    debug: DebugSink | None = None,
    stop: Stop = never,
) -> Execution:
    """Run a program over an input until it halts or traps, as ``vm.machine.execute`` does."""
    return Prepared(image).execute(input_bytes, limits, debug, stop)


def execute_batch(
    image: Image, inputs: Sequence[bytes], limits: Limits = DEFAULT_LIMITS, stop: Stop = never
) -> Iterator[Execution]:
    """Yield the execution of each input, as ``vm.machine.execute_batch`` does; the memory is laid out once (EX-203)."""
    prepared = Prepared(image)
    for first in range(0, len(inputs), BATCH_ITEMS):
        batch = Batch(prepared, inputs[first : first + BATCH_ITEMS], limits)
        done = batch.run(stop)
        yield from batch.executions(done)
        if done < len(batch.results):
            raise StoppedError("stopped between two executions")


def execution(row: Sequence[int], registers: Sequence[int], journal: bytes) -> Execution:
    """Return the value of a row that the kernel wrote."""
    status, state = row[layout.RESULT_STATUS], row[layout.RESULT_STATE :]
    trap = _trap(status, row[layout.RESULT_WORD], state) if status >= layout.TRAPPED else None
    detail = Detail(
        tuple(state[layout.STATE_SIZE :]),
        state[layout.PERMUTATIONS],
        state[layout.BLOCKS],
        state[layout.TOUCHED],
        state[layout.INPUT_WORDS],
    )
    code = None if trap else state[layout.EXIT_CODE]
    return Execution(code, trap, state[layout.CYCLES], journal, tuple(registers), detail)


class _LaidOut(NamedTuple):
    """What is the same in every execution of a program; nothing writes to it."""

    initial: Any
    """Memory words."""
    permissions: Any
    """Of each word."""
    start: int
    """First address of code."""
    operations: Any
    """Of each word of code."""
    immediates: Any
    """Of each word of code."""


def _laid_out(image: Image) -> _LaidOut:
    return _LaidOut(_words(image), _permissions(image), *_decode(image))


_laid_out_once = lru_cache(maxsize=1)(_laid_out)
"""Of the last program: a worker gets job after job of one, and laying it out takes as long as a hundred short executions."""


def _words(image: Image) -> Any:
    """Return memory words by address / 4; pages that nothing touches are never made."""
    words = np.zeros(image.memory_end // WORD_BYTES, dtype=np.uint32)
    for segment in image.segments:
        first = segment.address // WORD_BYTES
        data = np.frombuffer(segment.data, dtype="<u4")
        words[first : first + data.size] = data
    return words


def _permissions(image: Image) -> Any:
    """Return what each word allows."""
    permissions = np.zeros(image.memory_end // WORD_BYTES, dtype=np.uint8)
    permissions[CODE_END // WORD_BYTES :] = int(Permission.READ | Permission.WRITE)
    for segment in image.segments:
        permissions[segment.address // WORD_BYTES : segment.end // WORD_BYTES] = int(segment.permissions)
    return permissions


def _decode(image: Image) -> tuple[int, Any, Any]:
    """Decode the executable words, from the first address of code; the words between segments cannot be fetched."""
    code = [segment for segment in image.segments if segment.permissions & Permission.EXECUTE]
    start = min((segment.address for segment in code), default=CODE_START)
    count = (max((segment.end for segment in code), default=start) - start) // WORD_BYTES
    operations = np.zeros((count, 4), dtype=np.uint8)
    operations[:, 0] = layout.UNFETCHABLE
    immediates = np.zeros(count, dtype=np.int64)
    for segment in code:
        first = (segment.address - start) // WORD_BYTES
        for place, word in enumerate(np.frombuffer(segment.data, dtype="<u4").tolist(), first):
            instruction = decode(word)
            if instruction is None:
                operations[place, 0] = layout.ILLEGAL
            else:
                operations[place] = instruction[:4]
                immediates[place] = instruction.immediate
    return start, operations, immediates


def _trap(status: int, word: int, state: Sequence[int]) -> Trap:
    reason = _REASONS[status - layout.TRAPPED]
    shown = 0 if reason in _WITHOUT_WORD else word
    return Trap(reason, state[layout.PC], shown, state[layout.ADDRESS], state[layout.CYCLES])


def _say(registers: Any, words: Any, permissions: Any, debug: DebugSink | None) -> None:
    """Hand debug text on when its range is mapped; else the call has no effect."""
    address, length = int(registers[calls.A0]), int(registers[calls.A1])
    end = address + length
    if debug is None or length > calls.MAX_DEBUG_BYTES or (end + 3) // WORD_BYTES > permissions.size:
        return
    places = slice(address // WORD_BYTES, (end + 3) // WORD_BYTES)
    if permissions[places].all():
        first = address % WORD_BYTES
        debug(words[places].tobytes()[first : first + length])
