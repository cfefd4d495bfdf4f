"""What travels to a worker and back (EX-348, 353, 354).

A job names its program by id; a worker that has not seen it answers so, and the job comes again with the image. So an image travels
once per worker whatever the executor is. A stop file and a deadline end a job between bounded amounts of work. A worker of this
machine makes its receipts durable itself: what waits for the disk there holds nobody up here.
"""

import contextlib
import multiprocessing
import resource
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from veritape.executor.adapters.cache.index import Written
from veritape.executor.adapters.cache.packs import PackWriter
from veritape.executor.aggregation.cost_samples import Measured
from veritape.executor.backend import TraceBackend
from veritape.executor.image import Image
from veritape.executor.receipts import SimulatedReceipt
from veritape.executor.runtime.outcomes import Failed
from veritape.executor.vm.execution import Limits, Stop, StoppedError
from veritape.kernel.clock import NANOSECONDS, Clock, SystemClock

IMAGES_KEPT = 16
"""Programs that a worker remembers."""

KIB = 1024
"""The kernel counts a process's peak memory in these."""

MakeBackend = Callable[[], TraceBackend]
"""Makes a worker's backend; a function of a module, because it travels by its name."""


@dataclass(frozen=True)
class Job:
    """Inputs of one program for one worker."""

    program_id: bytes
    """Names the image."""
    inputs: tuple[bytes, ...]
    """In order."""
    limits: Limits
    """Of each execution."""
    make_backend: MakeBackend
    """Of the worker."""
    image: Image | None = None
    """Only for a worker that has not seen it."""
    seconds: float | None = None
    """Time from its start after which it stops; None: no deadline."""
    threads: int = 1
    """Threads of the worker, each with a share of the inputs."""
    keys: tuple[bytes, ...] = ()
    """Of the cache, one an input, for ``writer``."""
    writer: PackWriter | None = None
    """Makes the receipts durable; only for a worker of this machine."""
    stop_file: Path | None = None
    """It stops when this file exists or its folder is gone; on another machine the deadline alone stops it."""


@dataclass(frozen=True)
class Done:
    """What came of a job."""

    results: tuple[bytes | Failed, ...]
    """A receipt's bytes or a failure for each input, up to where it was stopped."""
    cycles: int = 0
    """Of all receipts together."""
    needs_image: bool = False
    """Nothing ran: the worker has not seen the image."""
    seconds: float = 0.0
    """Time that its executions took."""
    written: Written | OSError | None = None
    """What the writer said; None: it was not asked, or had nothing to write."""
    costs: tuple[Measured, ...] = ()
    """What the backend measured."""
    peak_bytes: int = 0
    """Largest memory that the worker ever took beyond what it had when it was ready: its guests' share."""


class _Worker:
    """What a worker process remembers from job to job."""

    def __init__(self) -> None:
        self.images: OrderedDict[bytes, Image] = OrderedDict()
        self.backends: dict[MakeBackend, TraceBackend] = {}
        self.ready_bytes = 0

    def image(self, job: Job) -> Image | None:
        if job.image is not None:
            self.images[job.program_id] = job.image
            while len(self.images) > IMAGES_KEPT:
                self.images.popitem(last=False)
        return self.images.get(job.program_id)

    def backend(self, job: Job) -> TraceBackend:
        if job.make_backend not in self.backends:
            self.backends[job.make_backend] = job.make_backend()
            self.ready_bytes = _peak_bytes()
        return self.backends[job.make_backend]


_WORKER = _Worker()
"""This process's memory as a worker."""


def run_job(job: Job) -> Done:
    """Run a job in this process."""
    image = _WORKER.image(job)
    if image is None:
        return Done((), needs_image=True)
    clock = SystemClock()
    began_ns = clock.monotonic_ns()
    end_ns = None if job.seconds is None else began_ns + int(job.seconds * NANOSECONDS)

    watched = job.stop_file if job.stop_file is not None and job.stop_file.parent.exists() else None

    def stop() -> bool:
        late = end_ns is not None and clock.monotonic_ns() >= end_ns
        return late or (watched is not None and (watched.exists() or not watched.parent.exists()))

    backend = _WORKER.backend(job)
    results, cycles = _run_shares(backend, image, job, stop)
    seconds = (clock.monotonic_ns() - began_ns) / NANOSECONDS
    written = _write(job, results, clock)
    peak_bytes = _peak_bytes() - _WORKER.ready_bytes
    costs = tuple(backend.measured())
    return Done(tuple(results), cycles, seconds=seconds, written=written, costs=costs, peak_bytes=peak_bytes)


def _write(job: Job, results: Sequence[bytes | Failed], clock: Clock) -> Written | OSError | None:
    """Make a job's receipts durable, where it has a writer; an error of the disk is an answer."""
    made = zip(job.keys, results, strict=False)
    receipts = {key: data for key, data in made if isinstance(data, bytes)}
    if job.writer is None or not receipts:
        return None
    try:
        return job.writer.keep(receipts, clock.wall_ns())
    except OSError as error:
        return error


Results = tuple[list[bytes | Failed], int]
"""Receipts' files and failures in order, and the cycles of the receipts."""


def _run_shares(backend: TraceBackend, image: Image, job: Job, stop: Stop) -> Results:
    """Run the inputs, a share in each thread; what stands behind the first input that was stopped does not count."""
    size = max(1, -(-len(job.inputs) // job.threads))
    shares = [job.inputs[first : first + size] for first in range(0, len(job.inputs), size)]
    if len(shares) <= 1:
        return _run(backend, image, job.inputs, job.limits, stop)
    with ThreadPoolExecutor(len(shares)) as pool:
        parts = list(pool.map(lambda share: _run(backend, image, share, job.limits, stop), shares))
    results: list[bytes | Failed] = []
    cycles = 0
    for share, (some, some_cycles) in zip(shares, parts, strict=True):
        results += some
        cycles += some_cycles
        if len(some) < len(share):
            break
    return results, cycles


def _run(backend: TraceBackend, image: Image, inputs: Sequence[bytes], limits: Limits, stop: Stop) -> Results:
    results: list[bytes | Failed] = []
    cycles = 0
    with contextlib.suppress(StoppedError):
        for result in backend.run(image, inputs, limits, stop):
            if isinstance(result, SimulatedReceipt):
                cycles += result.claim.cycles
                results.append(result.to_bytes())
            else:
                results.append(result)
    return results, cycles


def _peak_bytes() -> int:
    """Return the process's largest memory; 0 in a process that is not a worker's own, where others grow it too."""
    if multiprocessing.parent_process() is None:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


def warm_up(make_backend: MakeBackend) -> bool:
    """Make this worker ready: its backend is made and its kernels are loaded."""
    _WORKER.backend(Job(b"", (), Limits(), make_backend))
    return True


def with_image(job: Job, image: Image) -> Job:
    """Return the job for a worker that has not seen its image."""
    return replace(job, image=image)
