"""A batch as a value."""

from tests.compiled import SIMULATOR
from tests.receipt_caches import ECHO

from veritape.executor.adapters.workers.batch import Batch
from veritape.executor.runtime.outcomes import Cancelled, Executed
from veritape.executor.runtime.progress import Meter
from veritape.executor.vm.execution import DEFAULT_LIMITS, never


def test_each_batch_has_its_own_results() -> None:
    """EX-343: of a batch that begins nothing is known, and what becomes of one touches no other."""
    program = SIMULATOR.program_id(ECHO)
    one, other = (
        Batch(ECHO, program, (b"abcd",), DEFAULT_LIMITS, None, never, Meter("job", 1, 0), print)
        for _ in range(2)
    )
    one.keep([0], [b"receipt"])
    one.keys[0], one.cached[0] = b"key", b"receipt"
    one.unseen.append(0)
    one.pending.append(0)
    assert (other.results, other.keys, other.cached, other.kept) == ([None], {}, {}, True)
    assert (other.done, other.executed, other.rest()) == (0, 0, [0])
    assert (len(other.unseen), len(other.pending)) == (0, 0)


def test_a_place_is_known_once_something_became_of_it() -> None:
    """EX-343, EX-346: executed, found or ended: each counts as done; the others are the rest."""
    program, inputs = SIMULATOR.program_id(ECHO), tuple(bytes([number]) for number in range(5))
    batch = Batch(ECHO, program, inputs, DEFAULT_LIMITS, None, never, Meter("job", 5, 0), print)
    batch.keep([3, 1], [b"d", b"b"])
    batch.find(0, b"a")
    batch.end(4, Cancelled())
    assert batch.results == [None, Executed(b"b", 1), None, Executed(b"d", 3), Cancelled()]
    assert (batch.cached, batch.done, batch.executed, batch.rest()) == ({0: b"a"}, 4, 2, [2])
