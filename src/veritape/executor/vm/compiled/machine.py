"""The compiled machine as a value: lays out memory, decodes the program, calls the kernel until the guest ends."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from veritape.executor.image import CODE_END, CODE_START, WORD_BYTES, Image, Permission
from veritape.executor.vm import calls
from veritape.executor.vm.compiled import kernel
from veritape.executor.vm.decoding import decode
from veritape.executor.vm.execution import CYCLE_CLASSES, DEFAULT_LIMITS, DebugSink, Detail, Execution, Limits
from veritape.executor.vm.traps import Trap, TrapReason

WORK = 1 << 18
"""Instructions before the kernel returns to Python: an interrupt waits milliseconds (EX-205)."""

_REASONS = tuple(TrapReason)


@dataclass(frozen=True)
class _Program:
    """A decoded image."""

    start: int
    operations: Any
    immediates: Any


def execute(
    image: Image, input_bytes: bytes, limits: Limits = DEFAULT_LIMITS, debug: DebugSink | None = None
) -> Execution:
    """Run a program over an input until it halts or traps, as ``vm.machine.execute`` does."""
    words, permissions = _memory(image)
    program = _decode(image)
    state = np.zeros(kernel.STATE_SIZE, dtype=np.int64)
    state[kernel.PC] = image.entry
    registers = np.zeros(32, dtype=np.int64)
    registers[2] = image.memory_end
    counts = np.zeros(len(CYCLE_CLASSES), dtype=np.int64)
    journal = np.zeros(limits.journal_bytes, dtype=np.uint8)
    touched = np.zeros(permissions.size, dtype=np.uint8)
    data = np.frombuffer(input_bytes, dtype=np.uint8)
    status = kernel.RUNNING
    while status == kernel.RUNNING:
        status = kernel.run(
            state, registers, counts, program.operations, program.immediates, program.start, words,
            permissions, touched, data, journal, limits.cycles, WORK, debug is not None,
        )  # fmt: skip
        if status == kernel.DEBUGGING:
            _say(registers, words, permissions, debug)
            status = kernel.RUNNING
    trap = _trap(status, state, words) if status >= kernel.TRAPPED else None
    return Execution(
        None if trap else int(state[kernel.EXIT_CODE]),
        trap,
        int(state[kernel.CYCLES]),
        journal[: state[kernel.JOURNAL]].tobytes(),
        tuple(int(value) for value in registers),
        _detail(state, counts),
    )


def _memory(image: Image) -> tuple[Any, Any]:
    """Return memory words and their permissions, both by address / 4."""
    words = np.zeros(image.memory_end // WORD_BYTES, dtype=np.uint32)
    permissions = np.zeros(words.size, dtype=np.uint8)
    permissions[CODE_END // WORD_BYTES :] = int(Permission.READ | Permission.WRITE)
    for segment in image.segments:
        first = segment.address // WORD_BYTES
        permissions[first : segment.end // WORD_BYTES] = int(segment.permissions)
        data = np.frombuffer(segment.data, dtype="<u4")
        words[first : first + data.size] = data
    return words, permissions


def _decode(image: Image) -> _Program:
    """Decode the executable words; the words between segments cannot be fetched."""
    code = [segment for segment in image.segments if segment.permissions & Permission.EXECUTE]
    start = min((segment.address for segment in code), default=CODE_START)
    count = (max((segment.end for segment in code), default=start) - start) // WORD_BYTES
    operations = np.zeros((count, 4), dtype=np.uint8)
    operations[:, 0] = kernel.UNFETCHABLE
    immediates = np.zeros(count, dtype=np.int64)
    for segment in code:
        first = (segment.address - start) // WORD_BYTES
        for place, word in enumerate(np.frombuffer(segment.data, dtype="<u4").tolist(), first):
            instruction = decode(word)
            if instruction is None:
                operations[place, 0] = kernel.ILLEGAL
            else:
                operations[place] = instruction[:4]
                immediates[place] = instruction.immediate
    return _Program(start, operations, immediates)


def _trap(status: int, state: Any, words: Any) -> Trap:
    reason = _REASONS[status - kernel.TRAPPED]
    pc = int(state[kernel.PC])
    unfetched = reason in {TrapReason.FETCH_FAULT, TrapReason.CYCLE_LIMIT}
    word = 0 if unfetched else int(words[pc // WORD_BYTES])
    return Trap(reason, pc, word, int(state[kernel.ADDRESS]), int(state[kernel.CYCLES]))


def _detail(state: Any, counts: Any) -> Detail:
    return Detail(
        tuple(int(count) for count in counts),
        int(state[kernel.PERMUTATIONS]),
        int(state[kernel.BLOCKS]),
        int(state[kernel.TOUCHED]),
        int(state[kernel.INPUT_WORDS]),
    )


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
