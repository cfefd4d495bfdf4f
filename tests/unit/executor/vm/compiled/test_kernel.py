"""The step loop's bounds; what instructions do is tested through ``machine``."""

import numpy as np
import pytest

from veritape.executor.vm.compiled import kernel, layout
from veritape.executor.vm.traps import TrapReason


@pytest.mark.parametrize(
    ("cycles", "blocks", "expected"),
    [
        (9, 0, layout.RUNNING),
        (10, 0, TrapReason.CYCLE_LIMIT),
        (9, 1, TrapReason.WORK_LIMIT),
        (10, 1, TrapReason.CYCLE_LIMIT),
    ],
)
def test_the_limit_of_cycles_comes_first(cycles: int, blocks: int, expected: TrapReason | int) -> None:
    """EX-109, EX-205: work is cycles and 64 a block; where both limits are reached the cycles' is told."""
    state = np.zeros(layout.STATE_SIZE, dtype=np.int64)
    state[layout.CYCLES], state[layout.BLOCKS] = cycles, blocks
    status = layout.STATUS_OF[expected] if isinstance(expected, TrapReason) else expected
    assert kernel.limit_reached(state, 10, 73) == status


def test_only_touched_words_are_undone() -> None:
    """EX-203: what an execution named has its first value again, and nothing else is written."""
    initial, words = np.arange(8, dtype=np.uint32), np.full(8, 99, dtype=np.uint32)
    touched, places = np.zeros(8, dtype=np.uint8), np.zeros(8, dtype=np.int32)
    for count, place in enumerate((2, 5)):
        touched[place], places[count] = 1, place
    kernel.undo(words, initial, touched, places, 2)
    assert words.tolist() == [99, 99, 2, 99, 99, 5, 99, 99]
    assert not touched.any()
