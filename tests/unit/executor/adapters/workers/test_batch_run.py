"""Batches on real worker processes that die, hang and are killed."""

import struct
from pathlib import Path

import pytest
from tests.compiled import SIMULATOR
from tests.receipt_caches import ECHO, disk_cache, runtime
from tests.worker_faults import HANG, KILL, ONCE, faulty_backend

from veritape.executor.adapters.workers.figures import Figures
from veritape.executor.adapters.workers.pool import WorkerPool, process_executor
from veritape.executor.adapters.workers.runtime import L2Runtime
from veritape.executor.backend import TraceBackend
from veritape.executor.metrics import ERRORS, METRICS, RECEIPTS, WORKER_RESTARTS, WORKERS_ACTIVE
from veritape.executor.runtime.outcomes import DeadlineExceeded, Executed, Failed, RuntimeReason
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
    """EX-350: each item of a dead worker is tried once more, alone; a second death is worker_lost for that item."""
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
