"""What travels to a worker and back (EX-348, 353, 354).

A job names its program by id; a worker that has not seen it answers so, and the job comes again with the image. So an image travels
once per worker whatever the executor is. A stop file and a deadline end a job between bounded amounts of work. A worker of this
machine makes its receipts durable itself: what waits for the disk there holds nobody up here. A job that comes to it without keys
it looks up first; what the cache may hold it does not execute: that is for the one who keeps the cache.
"""

import contextlib
import multiprocessing
import os
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from veritape.executor.adapters.cache.index import Written
from veritape.executor.adapters.cache.packs import PackWriter
from veritape.executor.adapters.workers.machine import Memory, process_memory
from veritape.executor.aggregation.cost_samples import Measured
from veritape.executor.backend import TraceBackend
from veritape.executor.cache.entries import Namespace, cache_keys
from veritape.executor.cache.prefixes import among
from veritape.executor.digests import Tag
from veritape.executor.image import Image
from veritape.executor.receipts import SimulatedReceipt
from veritape.executor.runtime.outcomes import Failed
from veritape.executor.vm.execution import Limits, Stop, StoppedError
from veritape.kernel.clock import NANOSECONDS, Clock, SystemClock

IMAGES_KEPT = 16
"""Programs that a worker remembers."""

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
    """Of the cache, one an input, for ``writer``; none: the worker forms them and looks its inputs up."""
    writer: PackWriter | None = None
    """Makes the receipts durable; only for a worker of this machine."""
    held: Path | None = None
    """Tells what the memory of the process holds that keeps the cache, for who looks inputs up."""
    stop_file: Path | None = None
    """It stops when this file exists or its folder is gone; on another machine the deadline alone stops it."""


Answer = bytes | Failed | None
"""A receipt's bytes or a failure; None: the cache may hold it, so it was not executed."""


@dataclass(frozen=True)
class Done:
    """What came of a job."""

    results: tuple[Answer, ...]
    """For each input, up to where it was stopped."""
    keys: tuple[bytes, ...] = ()
    """Of the cache, of all inputs, where the worker formed them."""
    others: tuple[int, ...] = ()
    """Which results are no receipts."""
    cycles: int = 0
    """Of all receipts together."""
    needs_image: bool = False
    """Nothing ran: the worker has not seen the image."""
    seconds: float = 0.0
    """Time that it took."""
    written: Written | OSError | None = None
    """What the writer said; None: it was not asked, or had nothing to write."""
    costs: tuple[Measured, ...] = ()
    """What the backend measured."""
    peak_bytes: int = 0
    """Largest memory of the worker in this job, beyond what it had when it was ready: its guests' share. A peak that an earlier job
    left behind is not this one's: what does not rise above it counts with what the worker has at its end."""


class _Worker:
    """What a worker process remembers from job to job."""

    def __init__(self) -> None:
        self.images: OrderedDict[bytes, Image] = OrderedDict()
        self.backends: dict[MakeBackend, TraceBackend] = {}
        self.ready_bytes = 0
        """Memory of the process when its last backend was made."""

    def image(self, job: Job) -> Image | None:
        if job.image is not None:
            self.images[job.program_id] = job.image
            while len(self.images) > IMAGES_KEPT:
                self.images.popitem(last=False)
        return self.images.get(job.program_id)

    def backend(self, job: Job) -> TraceBackend:
        if job.make_backend not in self.backends:
            self.backends[job.make_backend] = job.make_backend()
            self.ready_bytes = _memory().now_bytes
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
    before = _memory()
    work = _looked_up(job, backend)
    results, cycles = _run_shares(backend, image, job, work, stop)
    written = _write(job, work, results, clock)
    return Done(
        tuple(results),
        () if job.keys else tuple(work.keys),
        tuple([number for number, result in enumerate(results) if not isinstance(result, bytes)]),
        cycles,
        seconds=(clock.monotonic_ns() - began_ns) / NANOSECONDS,
        written=written,
        costs=tuple(backend.measured()),
        peak_bytes=_taken_bytes(before),
    )


class _Work(NamedTuple):
    """What is to be done of a job."""

    keys: Sequence[bytes]
    """Of the cache, one an input; none where nothing is kept."""
    digests: Sequence[bytes] | None = None
    """Of the inputs, where they were taken."""
    known: Collection[int] = frozenset()
    """Places of inputs that the cache may hold: they are not executed."""

    def left(self, inputs: Sequence[bytes]) -> "tuple[Sequence[bytes], Sequence[bytes] | None]":
        """Return the inputs that are to be executed, with their digests."""
        if not self.known or self.digests is None:
            return inputs, self.digests
        places = [place for place in range(len(inputs)) if place not in self.known]
        return [inputs[place] for place in places], [self.digests[place] for place in places]

    def placed(self, results: "Sequence[bytes | Failed]", count: int) -> list[Answer]:
        """Return the results with None where nothing was executed, up to the first input that was stopped."""
        if not self.known:
            return list(results)
        left = iter(results)
        placed: list[Answer] = []
        for place in range(count):
            result = None if place in self.known else next(left, None)
            if result is None and place not in self.known:
                break
            placed.append(result)
        return placed


def _looked_up(job: Job, backend: TraceBackend) -> _Work:
    """Form the keys of a job that comes without, and ask the cache; where it cannot be asked it may hold all."""
    if job.writer is None or job.keys:
        return _Work(job.keys)
    digests = backend.simulator.digests(Tag.INPUT, job.inputs)
    keys = cache_keys(Namespace.TRACE, job.program_id, digests)
    found = job.writer.known(keys)
    with contextlib.suppress(OSError):
        if found is not None and job.held is not None:
            found |= among(job.held.read_bytes(), keys)
            return _Work(
                keys, digests, {place for place, key in enumerate(keys) if key in found} if found else ()
            )
    return _Work(keys, digests, range(len(keys)))


def _write(job: Job, work: _Work, results: Sequence[Answer], clock: Clock) -> Written | OSError | None:
    """Make a job's receipts durable, where it has a writer; an error of the disk is an answer."""
    made = zip(work.keys, results, strict=False)
    receipts = {key: data for key, data in made if isinstance(data, bytes)}
    if job.writer is None or not receipts:
        return None
    try:
        return job.writer.keep(receipts, clock.wall_ns())
    except OSError as error:
        return error


Results = tuple[list[bytes | Failed], int]
"""Receipts' files and failures in order, and the cycles of the receipts."""


def _run_shares(
    backend: TraceBackend, image: Image, job: Job, work: _Work, stop: Stop
) -> tuple[list[Answer], int]:
    """Run the inputs, a share in each thread; what stands behind the first input that was stopped does not count."""
    inputs, digests = work.left(job.inputs)
    size = max(1, -(-len(inputs) // job.threads))
    shares = [slice(first, first + size) for first in range(0, len(inputs), size)]

    def run(share: slice) -> Results:
        return _run(backend, image, inputs[share], digests and digests[share], job.limits, stop)

    if len(shares) <= 1:
        parts = list(map(run, shares))
    else:
        with ThreadPoolExecutor(len(shares)) as pool:
            parts = list(pool.map(run, shares))
    results: list[bytes | Failed] = []
    cycles = 0
    for share, (some, some_cycles) in zip(shares, parts, strict=True):
        results += some
        cycles += some_cycles
        if len(some) < len(inputs[share]):
            break
    return work.placed(results, len(job.inputs)), cycles


def _run(
    backend: TraceBackend,
    image: Image,
    inputs: Sequence[bytes],
    digests: Sequence[bytes] | None,
    limits: Limits,
    stop: Stop,
) -> Results:
    results: list[bytes | Failed] = []
    cycles = 0
    with contextlib.suppress(StoppedError):
        for result in backend.run(image, inputs, limits, stop, digests):
            if isinstance(result, SimulatedReceipt):
                cycles += result.claim.cycles
                results.append(result.to_bytes())
            else:
                results.append(result)
    return results, cycles


def _memory() -> Memory:
    """Return the memory of this process; nothing in one that is not a worker's own, where others grow it too."""
    return Memory(0, 0) if multiprocessing.parent_process() is None else process_memory(os.getpid())


def _taken_bytes(before: Memory) -> int:
    """Return what a job took at most, from what there was before it."""
    after = _memory()
    most_bytes = after.peak_bytes if after.peak_bytes > before.peak_bytes else after.now_bytes
    return max(0, most_bytes - _WORKER.ready_bytes)


def warm_up(make_backend: MakeBackend) -> bool:
    """Make this worker ready: its backend is made and its kernels are loaded."""
    _WORKER.backend(Job(b"", (), Limits(), make_backend))
    return True


def with_image(job: Job, image: Image) -> Job:
    """Return the job for a worker that has not seen its image."""
    return replace(job, image=image)
