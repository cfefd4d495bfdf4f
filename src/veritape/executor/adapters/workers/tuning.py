"""Measure a batch with one worker and with all, and remember the result (EX-349)."""

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path

from veritape.executor.adapters.workers.jobs import Job, MakeBackend
from veritape.executor.adapters.workers.pool import MakeExecutor, WorkerPool
from veritape.executor.backend import TraceBackend
from veritape.executor.image import Image
from veritape.executor.runtime.presets import Parallel
from veritape.executor.runtime.tuning import Place, Tuning, parse_tuning
from veritape.executor.vm.execution import DEFAULT_LIMITS
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.files import write_atomically

TIMES = 3
"""Runs of the batch: a worker that started late has its kernels after the second."""


class BatchTimer:
    """Times one batch on workers of its own."""

    def __init__(
        self,
        make: MakeExecutor,
        make_backend: MakeBackend,
        image: Image,
        inputs: Sequence[bytes],
        clock: Clock,
    ) -> None:
        self._make, self._make_backend, self._clock = make, make_backend, clock
        self._image, self._inputs = image, inputs
        self._program = TraceBackend(make_backend().simulator).program_id(image)

    def __call__(self, parallel: Parallel) -> float:
        """Return the seconds of the batch when every worker is ready: the least of several, of which the first load kernels."""
        pool = WorkerPool(self._make, parallel.workers, self._make_backend)
        try:
            return min(self._seconds(pool, parallel) for _ in range(TIMES))
        finally:
            pool.close()

    def _seconds(self, pool: WorkerPool, parallel: Parallel) -> float:
        began_ns = self._clock.monotonic_ns()
        self._batch(pool, parallel)
        return (self._clock.monotonic_ns() - began_ns) / NANOSECONDS

    def _batch(self, pool: WorkerPool, parallel: Parallel) -> None:
        shares = [tuple(self._inputs[first :: parallel.workers]) for first in range(parallel.workers)]
        futures = [
            pool.submit(
                Job(
                    self._program, share, DEFAULT_LIMITS, self._make_backend, self._image,
                    threads=parallel.threads,
                )
            )[1]
            for share in shares
        ]  # fmt: skip
        for future in futures:
            future.result()


def tuned(
    path: Path, place: Place, usual: Parallel, seconds: Callable[[Parallel], float] | None
) -> tuple[Tuning, bool] | None:
    """Return what was measured at this place, and whether it was measured now; None where it was not, or the workers died of it.

    Args:
        path: where it is remembered; one that cannot be written is measured anew each time.
        place: this machine, version and number of cores.
        usual: all workers.
        seconds: measures the batch; None: what is remembered will do.
    """
    with contextlib.suppress(OSError):
        found = parse_tuning(path.read_bytes(), place)
        if found is not None:
            return found, False
    if seconds is None:
        return None
    try:
        made = Tuning(place, seconds(Parallel(1, place.cores)), seconds(usual))
    except BrokenExecutor:
        return None
    with contextlib.suppress(OSError):
        write_atomically(path, made.to_bytes())
    return made, True
