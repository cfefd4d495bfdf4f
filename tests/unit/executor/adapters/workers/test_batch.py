"""A batch as a value."""

from tests.compiled import SIMULATOR
from tests.receipt_caches import ECHO

from veritape.executor.adapters.workers.batch import Batch
from veritape.executor.runtime.progress import Meter
from veritape.executor.vm.execution import DEFAULT_LIMITS, never


def test_each_batch_has_its_own_results() -> None:
    """EX-343: of a batch that begins nothing is known, and what becomes of one touches no other."""
    program = SIMULATOR.program_id(ECHO)
    one, other = (
        Batch(ECHO, program, (b"abcd",), DEFAULT_LIMITS, None, never, Meter("job", 1, 0), print)
        for _ in range(2)
    )
    one.results[0], one.keys[0] = b"receipt", b"key"
    one.cached.add(0)
    one.unseen.append(0)
    one.pending.append(0)
    assert (other.results, other.keys, other.cached, other.keep) == ({}, {}, set(), True)
    assert (len(other.unseen), len(other.pending)) == (0, 0)
