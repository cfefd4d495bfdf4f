"""Batches on real worker processes that die, hang and are killed."""

import struct
import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.compiled import SIMULATOR
from tests.receipt_caches import ECHO, ENDLESS, TRAPPER, disk_cache, runtime
from tests.worker_faults import HANG, KILL, ONCE, faulty_backend

from veritape.executor.adapters.guest_files import guest_image
from veritape.executor.adapters.workers import batch_run
from veritape.executor.adapters.workers.figures import Figures
from veritape.executor.adapters.workers.pool import WorkerPool, process_executor
from veritape.executor.adapters.workers.runtime import L2Runtime
from veritape.executor.backend import TraceBackend
from veritape.executor.metrics import ERRORS, METRICS, RECEIPTS, WORKER_RESTARTS, WORKERS_ACTIVE
from veritape.executor.runtime.outcomes import Cancelled, DeadlineExceeded, Executed, Failed, RuntimeReason
from veritape.executor.vm.execution import Limits
from veritape.kernel.clock import SystemClock
from veritape.telemetry.registry import Registry


def words(count: int) -> list[bytes]:
    return [struct.pack("<I", number) for number in range(1, count + 1)]


def faulty(folder: Path, registry: Registry, kill_grace_s: float = 5.0) -> L2Runtime:
    pool = WorkerPool(process_executor, 2, faulty_backend)
    return L2Runtime(
        TraceBackend(SIMULATOR), faulty_backend, pool, disk_cache(folder), Figures(registry), SystemClock(), 1 << 32,
        kill_grace_s=kill_grace_s,
    )  # fmt: skip


def test_an_item_that_kills_its_worker_twice_is_lost_and_no_other(tmp_path: Path) -> None:
    """EX-350: each item of a dead worker is tried again, alone; a second death there is worker_lost for that item."""
    registry = Registry(METRICS, strict=True)
    inputs = [*words(6), KILL, *words(12)[6:]]
    with faulty(tmp_path, registry) as made:
        outcomes = made.run_batch(ECHO, inputs)
        assert [type(one) for one in outcomes] == [Executed] * 6 + [Failed] + [Executed] * 6
        assert outcomes[6] == Failed(RuntimeReason.WORKER_LOST, "its worker died twice")
        expected = [SIMULATOR.run(ECHO, data) for data in inputs if data != KILL]
        assert [one.receipt for one in outcomes if isinstance(one, Executed)] == expected
        assert made.run_batch(ECHO, words(2))[0] == Executed(expected[0].to_bytes(), 0, cached=True)
    assert registry.value(RECEIPTS, kind="simulated") == 12
    assert (registry.value(ERRORS), registry.value(WORKERS_ACTIVE)) == (1, 0)
    assert registry.value(WORKER_RESTARTS) >= 1


def test_a_worker_that_dies_once_loses_nothing(tmp_path: Path) -> None:
    """EX-350: killed once in the middle: every item completes, none twice, results as without the kill."""
    registry = Registry(METRICS, strict=True)
    inputs = [*words(5), ONCE + str(tmp_path / "marker").encode(), *words(30)[5:]]
    with faulty(tmp_path / "cache", registry) as made:
        outcomes = made.run_batch(ECHO, inputs)
    assert [one.receipt for one in outcomes if isinstance(one, Executed)] == [
        SIMULATOR.run(ECHO, data) for data in inputs
    ]
    assert registry.value(RECEIPTS, kind="simulated") == len(inputs)
    assert registry.value(ERRORS) == 0


def test_a_death_that_was_another_items_is_not_counted(tmp_path: Path) -> None:
    """EX-350: an item that went with a worker before it ran, and kills the next one once, is executed."""
    registry = Registry(METRICS, strict=True)
    with faulty(tmp_path / "cache", registry) as made:
        outcomes = made.run_batch(ECHO, [KILL, ONCE + str(tmp_path / "marker").encode(), *words(1)])
    assert [type(one) for one in outcomes] == [Failed, Executed, Executed]
    assert (registry.value(RECEIPTS, kind="simulated"), registry.value(ERRORS)) == (2, 1)


def test_a_worker_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    """EX-354: after the grace the process is killed; the runtime goes on with a fresh one."""
    registry = Registry(METRICS, strict=True)
    with faulty(tmp_path, registry, kill_grace_s=0.2) as made:
        assert isinstance(made.run_batch(ECHO, words(1))[0], Executed)
        assert made.run_batch(ECHO, [HANG], seconds=1.0) == [DeadlineExceeded()]
        assert isinstance(made.run_batch(ECHO, words(1))[0], Executed)
    assert registry.value(WORKER_RESTARTS) == 1


def test_processes_give_what_threads_give(tmp_path: Path) -> None:
    """EX-811: another pool, the same bytes."""
    with runtime(disk_cache(tmp_path), process_executor) as made:
        outcomes = made.run_batch(ECHO, words(40))
    assert [one.receipt for one in outcomes if isinstance(one, Executed)] == [
        SIMULATOR.run(ECHO, data) for data in words(40)
    ]


def test_a_bug_in_a_worker_fails_its_items_and_names_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EX-343: an error that is none of ours ends the items of its job with internal_error; the runtime goes on."""
    with runtime(disk_cache(tmp_path)) as made:
        monkeypatch.setattr("veritape.executor.backend.TraceBackend.run", broken)
        (outcome,) = made.run_batch(ECHO, words(1), Limits())
        assert outcome == Failed(RuntimeReason.INTERNAL_ERROR, "RuntimeError: bug")
        monkeypatch.undo()
        assert isinstance(made.run_batch(ECHO, words(1))[0], Executed)


def broken(*_: object) -> None:
    raise RuntimeError("bug")


class Started:
    """Makes executors of threads, and remembers how many workers were asked for."""

    def __init__(self) -> None:
        self.workers: list[int] = []

    def __call__(self, workers: int) -> Executor:
        self.workers.append(workers)
        return ThreadPoolExecutor(workers)


def steps(*counts: int) -> list[bytes]:
    """Return inputs of fibonacci: five instructions a step."""
    return [struct.pack("<III", count, 0, 1) for count in counts]


def test_a_short_batch_starts_no_worker(tmp_path: Path) -> None:
    """EX-343, EX-349: what is over in a second is over in this process: receipts, traps, the cache as ever."""
    started, registry = Started(), Registry(METRICS, strict=True)
    inputs = words(600)
    with runtime(disk_cache(tmp_path), started, registry=registry, begins_here=True) as made:
        outcomes = made.run_batch(ECHO, inputs)
        assert [one.receipt for one in outcomes if isinstance(one, Executed)] == [
            SIMULATOR.run(ECHO, data) for data in inputs
        ]
        trapped = made.run_batch(TRAPPER, [inputs[0], bytes(4)])
        assert [type(one) for one in trapped] == [Executed, Failed]
        assert started.workers == []
        found = made.run_batch(ECHO, inputs)
        assert {isinstance(one, Executed) and one.cached for one in found} == {True}
    assert (registry.value(RECEIPTS, kind="simulated"), registry.value(WORKERS_ACTIVE)) == (601, 0)


def test_workers_take_what_a_second_was_too_short_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EX-343, EX-349: what was finished here counts, the rest goes to workers, none twice; results stand in order."""
    monkeypatch.setattr(batch_run, "HERE_S", 0.05)
    started, registry = Started(), Registry(METRICS, strict=True)
    inputs = steps(10, 60_000_000, 11, 12)
    with runtime(disk_cache(tmp_path), started, registry=registry, begins_here=True) as made:
        outcomes = made.run_batch(guest_image("fibonacci"), inputs)
        assert started.workers == [2]
        made.run_batch(guest_image("fibonacci"), steps(13))
        assert started.workers == [2]  # they are there: nothing begins here any more
    assert [one.index for one in outcomes if isinstance(one, Executed)] == [0, 1, 2, 3]
    assert [one.receipt.claim.cycles for one in outcomes if isinstance(one, Executed)] == [
        SIMULATOR.run(guest_image("fibonacci"), data).claim.cycles for data in inputs
    ]
    assert registry.value(RECEIPTS, kind="simulated") == 5


def test_a_long_batch_begins_with_workers(tmp_path: Path) -> None:
    """EX-349: more than one job's items are worth their start at once."""
    started = Started()
    with runtime(disk_cache(tmp_path), started, begins_here=True) as made:
        made.run_batch(ECHO, words(1001))
    assert started.workers == [2]


def test_what_runs_here_sees_the_stop_token_and_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EX-353, EX-354: an execution without end in this process is stopped as one in a worker."""
    monkeypatch.setattr(batch_run, "HERE_S", 600.0)
    started, stop = Started(), threading.Event()
    with runtime(disk_cache(tmp_path), started, begins_here=True) as made:
        assert made.run_batch(ENDLESS, words(1), seconds=0.2) == [DeadlineExceeded()]
    with runtime(disk_cache(tmp_path), started, begins_here=True) as made:
        threading.Timer(0.2, stop.set).start()
        assert made.run_batch(ENDLESS, words(2), stop=stop.is_set) == [Cancelled(), Cancelled()]
    assert started.workers == []


FIRST_JOBS = 2
"""One for each worker: nobody knows yet how long items take."""


class Counted(ThreadPoolExecutor):
    """Threads; remembers how many jobs were handed out and not answered, at most.

    Jobs after the first two, which tell how long items take, do not end before there were so many: a parent that gets no
    processor is waited for.
    """

    def __init__(self, workers: int, most: list[int], until: int) -> None:
        super().__init__(workers)
        self._handed: set[Any] = set()
        self._most, self._until, self._enough = most, until, threading.Event()

    def submit(self, *work: Any, **named: Any) -> Any:
        future = super().submit(self._run, len(self._most), *work, **named)
        self._handed.add(future)
        self._most.append(len(self._handed))
        future.add_done_callback(self._handed.discard)
        if len(self._handed) >= self._until:
            self._enough.set()
        return future

    def _run(self, number: int, work: Any, *what: Any) -> Any:
        if number > FIRST_JOBS:
            self._enough.wait(10)
        return work(*what)


@pytest.mark.parametrize(("jobs_that_fit", "expected"), [(1, {1}), (2, {3, 4}), (9, {3, 4})])
def test_short_jobs_wait_for_their_worker_and_take_no_memory(
    tmp_path: Path, jobs_that_fit: int, expected: set[int]
) -> None:
    """EX-351, EX-813, EX-913: with a slot for each worker as many jobs may wait; where memory binds, none does; results are the same."""
    registry, most = Registry(METRICS, strict=True), [0]
    cost = TraceBackend(SIMULATOR).estimate(ECHO, 4, Limits())
    make = partial(Counted, most=most, until=min(expected))
    with runtime(
        disk_cache(tmp_path), make, budget_bytes=jobs_that_fit * cost.bytes, registry=registry
    ) as made:
        outcomes = made.run_batch(ECHO, words(6000))
    assert [one.index for one in outcomes if isinstance(one, Executed)] == list(range(6000))
    assert outcomes[5999] == Executed(SIMULATOR.run(ECHO, words(6000)[-1]).to_bytes(), 5999)
    assert max(most) in expected
    assert registry.value(WORKERS_ACTIVE) == 0
