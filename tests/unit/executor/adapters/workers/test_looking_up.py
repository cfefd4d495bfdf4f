"""Batches whose inputs are looked up here and by the workers."""

import struct
from pathlib import Path
from typing import Any

import pytest
from tests.compiled import SIMULATOR
from tests.receipt_caches import ECHO, disk_cache, key_of, memory, runtime
from tests.worker_faults import HANG, KILL, ONCE, faulty_backend

from veritape.executor.adapters.cache.disk import DiskLayer
from veritape.executor.adapters.cache.index import NAME
from veritape.executor.adapters.cache.receipt_cache import ReceiptCache
from veritape.executor.adapters.workers.figures import Figures
from veritape.executor.adapters.workers.jobs import Job
from veritape.executor.adapters.workers.looking_up import AT_ONCE, FIRST
from veritape.executor.adapters.workers.pool import WorkerPool, process_executor
from veritape.executor.adapters.workers.runtime import L2Runtime
from veritape.executor.backend import TraceBackend
from veritape.executor.cache.counters import Layer
from veritape.executor.metrics import METRICS, RECEIPTS
from veritape.executor.runtime.outcomes import DeadlineExceeded, Executed, Failed, Outcome, RuntimeReason
from veritape.kernel.clock import SystemClock
from veritape.telemetry.registry import Registry

COUNT = 4 * AT_ONCE
"""Inputs of a batch of which the workers look up most."""


def words(*numbers: int) -> list[bytes]:
    return [struct.pack("<I", number) for number in numbers]


INPUTS = words(*range(1, COUNT + 1))


def cached_places(outcomes: list[Outcome]) -> list[int]:
    return [place for place, one in enumerate(outcomes) if isinstance(one, Executed) and one.cached]


def journals(outcomes: list[Outcome]) -> list[bytes]:
    return [one.receipt.journal for one in outcomes if isinstance(one, Executed)]


class Sent:
    """The jobs that a runtime's pool was given."""

    def __init__(self, made: L2Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
        self.jobs: list[Job] = []
        submit = made.pool.submit

        def noted(job: Job) -> Any:
            self.jobs.append(job)
            return submit(job)

        monkeypatch.setattr(made.pool, "submit", noted)

    @property
    def looked_up_there(self) -> int:
        return sum(len(job.inputs) for job in self.jobs if not job.keys)


def test_workers_look_up_what_nothing_is_known_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EX-343, EX-411, EX-913: all but the first piece; each input is one miss, its receipt durable and found again without a worker."""
    with runtime(disk_cache(tmp_path)) as made:
        sent = Sent(made, monkeypatch)
        outcomes = made.run_batch(ECHO, INPUTS)
        assert (made.cache.counters.misses, dict(made.cache.counters.hits)) == (COUNT, {})
        assert COUNT - FIRST <= sent.looked_up_there <= COUNT - FIRST + 4
    assert (journals(outcomes), cached_places(outcomes)) == (INPUTS, [])
    with runtime(disk_cache(tmp_path)) as made:
        sent = Sent(made, monkeypatch)
        again = made.run_batch(ECHO, INPUTS)
        assert (sent.jobs, made.cache.counters.misses) == ([], 0)
        assert made.cache.counters.hits == {Layer.DISK: COUNT}
    assert cached_places(again) == list(range(COUNT))


@pytest.mark.parametrize("layer", ["disk", "memory"])
def test_what_the_cache_holds_no_worker_executes(tmp_path: Path, layer: str) -> None:
    """EX-401: a hit runs nothing, whichever layer has it and whoever looks it up; nor does it count twice."""
    registry = Registry(METRICS, strict=True)
    with runtime(disk_cache(tmp_path), registry=registry) as made:
        made.cache.memory = memory(2 * COUNT)
        made.run_batch(ECHO, INPUTS[-10:])
        if layer == "memory":
            assert made.cache.disk is not None
            made.cache.disk.clear()
        else:
            made.cache.memory.clear()
        before = made.cache.counters.misses
        outcomes = made.run_batch(ECHO, INPUTS)
        assert made.cache.counters.misses - before == COUNT - 10
        assert made.cache.counters.hits == {Layer(layer): 10}
    assert registry.value(RECEIPTS, kind="simulated") == COUNT
    assert (journals(outcomes), cached_places(outcomes)) == (INPUTS, list(range(COUNT - 10, COUNT)))


def test_a_poisoned_entry_is_refused_and_made_anew(tmp_path: Path) -> None:
    """EX-408: a worker that finds its key does not believe it: it is refused here, counted, and the item executed."""
    with runtime(disk_cache(tmp_path)) as made:
        made.run_batch(ECHO, INPUTS[-1:])
    (path,) = tmp_path.glob("*.entry")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with runtime(disk_cache(tmp_path)) as made:
        made.cache.memory.clear()
        outcomes = made.run_batch(ECHO, INPUTS)
        assert (made.cache.counters.rejected, cached_places(outcomes)) == (1, [])
        made.cache.memory.clear()
        assert made.run_batch(ECHO, INPUTS[-1:])[0] == Executed(
            SIMULATOR.run(ECHO, INPUTS[-1]).to_bytes(), 0, cached=True
        )
    assert journals(outcomes) == INPUTS


@pytest.mark.parametrize("fault", ["the index", "what is told", "the memory is too large"])
def test_workers_that_cannot_ask_execute_nothing_unasked(
    tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EX-401, EX-404: this process looks up instead; every input has its receipt once."""
    with runtime(disk_cache(tmp_path / "cache")) as made:
        made.run_batch(ECHO, words(COUNT + 1))
        sent = Sent(made, monkeypatch)
        if fault == "the index":
            (tmp_path / "cache" / NAME).rename(tmp_path / "elsewhere")
        elif fault == "what is told":
            monkeypatch.setattr(Path, "write_bytes", refused)
        else:
            monkeypatch.setattr("veritape.executor.adapters.workers.looking_up.HELD_PER_INPUT", 0)
        outcomes = made.run_batch(ECHO, INPUTS)
        executed = sum(len(job.inputs) for job in sent.jobs if job.keys)
        assert (executed, made.cache.counters.misses) == (COUNT, COUNT + 1)
        assert bool(sent.looked_up_there) == (fault == "the index")
    assert journals(outcomes) == INPUTS


def refused(*_: object) -> int:
    raise OSError(28, "No space left on device")


def faulty(folder: Path, registry: Registry, kill_grace_s: float = 5.0) -> L2Runtime:
    pool = WorkerPool(process_executor, 2, faulty_backend)
    clock = SystemClock()
    cache = ReceiptCache(memory(), SIMULATOR.sponge, clock, DiskLayer(folder, 64 << 20, clock.wall_ns()))
    return L2Runtime(
        TraceBackend(SIMULATOR), faulty_backend, pool, cache, Figures(registry), clock, 1 << 32,
        kill_grace_s=kill_grace_s,
    )  # fmt: skip


def test_a_worker_that_dies_with_what_it_looked_up_loses_nothing(tmp_path: Path) -> None:
    """EX-350: its items are looked up and tried once more, alone; one that kills twice is lost, and no other."""
    registry = Registry(METRICS, strict=True)
    inputs = [*INPUTS[: AT_ONCE + 40], ONCE + str(tmp_path / "marker").encode(), KILL]
    with faulty(tmp_path / "cache", registry) as made:
        outcomes = made.run_batch(ECHO, inputs)
        assert outcomes.pop() == Failed(RuntimeReason.WORKER_LOST, "its worker died twice")
        assert made.cache.counters.misses == len(inputs)
    assert journals(outcomes) == [data[:4] for data in inputs[:-1]]
    assert registry.value(RECEIPTS, kind="simulated") == len(inputs) - 1


def test_a_deadline_answers_what_a_worker_had_still_to_look_up(tmp_path: Path) -> None:
    """EX-353, EX-354: a worker that hangs is killed; what the cache has of its inputs is no work and is returned."""
    registry = Registry(METRICS, strict=True)
    with faulty(tmp_path, registry, kill_grace_s=0.2) as made:
        last = made.run_batch(ECHO, INPUTS[-10:])
        hanging = [HANG + struct.pack("<I", number) for number in range(AT_ONCE)]
        outcomes = made.run_batch(ECHO, [*hanging, HANG, *INPUTS[-10:]], seconds=5.0)
    assert journals(outcomes[-10:]) == journals(last)
    assert isinstance(outcomes[AT_ONCE], DeadlineExceeded)
    assert key_of(ECHO, INPUTS[-1]) in made.cache.held()
