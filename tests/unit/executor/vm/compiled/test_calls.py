"""The compiled calls; each call with its bad arguments is tested through ``machine``."""

import numpy as np
import pytest

from veritape.executor.vm.compiled import layout
from veritape.executor.vm.compiled.calls import accelerated, call, touch
from veritape.executor.vm.traps import TrapReason


def called(number: int, *arguments: int, debug: bool = False) -> tuple[int, list[int]]:
    """Call with a memory of 64 words to read and write and an input of one word; return status and state."""
    registers, state = np.zeros(32, dtype=np.int64), np.zeros(layout.STATE_SIZE, dtype=np.int64)
    registers[17] = number
    registers[10 : 10 + len(arguments)] = arguments
    words, permissions = np.zeros(64, dtype=np.uint32), np.full(64, 6, dtype=np.uint8)
    touched, places = np.zeros(64, dtype=np.uint8), np.zeros(64, dtype=np.int32)
    data, journal = np.frombuffer(b"abcd", dtype=np.uint8), np.zeros(8, dtype=np.uint8)
    status = call(registers, state, words, permissions, touched, places, data, journal, debug)
    return status, state.tolist()


@pytest.mark.parametrize(
    ("number", "arguments", "expected"),
    [
        (0, (7,), layout.HALTED),
        (1, (0, 4), layout.RUNNING),
        (1, (2, 4), TrapReason.BAD_ECALL_ARGUMENT),
        (2, (0, 8), layout.RUNNING),
        (2, (0, 12), TrapReason.JOURNAL_LIMIT),
        (3, (0,), layout.RUNNING),
        (4, (0, 64, 4097), TrapReason.BAD_ECALL_ARGUMENT),
        (5, (0, 4), layout.RUNNING),
        (6, (0,), TrapReason.UNKNOWN_ECALL),
    ],
)
def test_a_call_answers_with_a_status(
    number: int, arguments: tuple[int, ...], expected: TrapReason | int
) -> None:
    """EX-172, EX-805: each call of the table, and what it refuses."""
    status = layout.STATUS_OF[expected] if isinstance(expected, TrapReason) else expected
    assert called(number, *arguments)[0] == status
    assert called(5, 0, 4, debug=True)[0] == layout.DEBUGGING


def test_accelerated_work_is_counted() -> None:
    """EX-205: 256 a permutation, 64 a block."""
    _, state = called(3, 0)
    assert accelerated(np.array(state)) == 256
    _, state = called(4, 0, 64, 2)
    assert accelerated(np.array(state)) == 128


def test_a_word_is_noted_once() -> None:
    """EX-187: distinct words that an execution names."""
    touched, places = np.zeros(8, dtype=np.uint8), np.zeros(8, dtype=np.int32)
    state = np.zeros(layout.STATE_SIZE, dtype=np.int64)
    for place in (3, 5, 3):
        touch(touched, places, state, place)
    assert (state[layout.TOUCHED], places[:2].tolist()) == (2, [3, 5])
