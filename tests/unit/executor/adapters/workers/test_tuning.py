"""Measuring and remembering."""

from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from tests.receipt_caches import ECHO

from veritape.apps.compiled_kernels import trace_backend
from veritape.executor.adapters.workers.pool import thread_executor
from veritape.executor.adapters.workers.tuning import BatchTimer, tuned
from veritape.executor.runtime.presets import Parallel
from veritape.executor.runtime.tuning import Place
from veritape.kernel.clock import SystemClock

PLACE = Place("a machine", "0.1.0", 2)


def test_a_batch_is_timed_on_ready_workers() -> None:
    """EX-349: one worker with two threads, two workers with one each."""
    inputs = [number.to_bytes(4, "little") for number in range(10)]
    timer = BatchTimer(thread_executor, trace_backend, ECHO, inputs, SystemClock())
    assert timer(Parallel(2, 1)) > 0
    assert timer(Parallel(1, 2)) > 0


def test_it_is_measured_once_and_again_where_it_cannot_be_kept(tmp_path: Path) -> None:
    """EX-349: what was measured is kept; a folder that cannot be written costs a measurement each time and nothing else."""
    usual, asked = Parallel(2, 1), list[Parallel]()

    def seconds(chosen: Parallel) -> float:
        asked.append(chosen)
        return float(len(asked))

    path = tmp_path / "below" / "tuning.json"
    assert tuned(path, PLACE, usual, None) is None
    answer = tuned(path, PLACE, usual, seconds)
    assert answer is not None
    made, now = answer
    assert (made.one_worker_s, made.all_workers_s, now, asked) == (1.0, 2.0, True, [Parallel(1, 2), usual])
    assert tuned(path, PLACE, usual, seconds) == (made, False)
    assert tuned(path, PLACE, usual, None) == (made, False)
    (tmp_path / "file").write_text("")
    for _ in range(2):
        again = tuned(tmp_path / "file" / "t.json", PLACE, usual, seconds)
        assert again is not None
        assert again[1]
    assert len(asked) == 6


def test_workers_that_die_of_it_are_no_measurement(tmp_path: Path) -> None:
    """EX-349: what is usual is used then; the batch itself says what is wrong."""

    def die(_: Parallel) -> float:
        raise BrokenProcessPool

    assert tuned(tmp_path / "tuning.json", PLACE, Parallel(2, 1), die) is None
    assert not list(tmp_path.iterdir())
