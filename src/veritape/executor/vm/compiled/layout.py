"""Places and statuses that the compiled functions and ``machine`` share: what stands where in their arrays, and what they answer."""

from typing import Final

from veritape.executor.vm.decoding import Operation
from veritape.executor.vm.execution import CYCLE_CLASSES
from veritape.executor.vm.traps import TrapReason

PC, CYCLES, POSITION, JOURNAL, EXIT_CODE, ADDRESS, PERMUTATIONS, BLOCKS, INPUT_WORDS, TOUCHED = range(10)
"""Places in the state array."""

STATE_SIZE = 10
"""Length of the state array."""

RESULT_STATUS, RESULT_WORD, RESULT_STATE = 0, 1, 2
"""Places in a batch's row: status, the word at the last program counter, the state; the counts by class follow."""

RESULT_SIZE = RESULT_STATE + STATE_SIZE + len(CYCLE_CLASSES)
"""Length of a batch's row."""

RUNNING, HALTED, DEBUGGING, TRAPPED = 0, 1, 2, 3
"""What ``run`` returns; TRAPPED + n is the n-th ``TrapReason``."""

ILLEGAL, UNFETCHABLE = len(Operation), len(Operation) + 1
"""Decoded operations beside the machine's own."""

STATUS_OF: Final = {reason: TRAPPED + place for place, reason in enumerate(TrapReason)}
"""What a trap's reason is answered as."""
