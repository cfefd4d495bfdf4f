"""What a second worker brings (EX-902, EX-913): one against two in turns, and what bounds it.

Two figures stand beside the observed ratio, because other work on the machine takes from two workers what it takes from one:
what the cores themselves give (the kernel alone, which has no parent), and what the processor time of parent and workers
allows. The parent runs beside one worker on a core of its own, beside two it takes from them: two finish no sooner than
half of everything that was computed.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from veritape.apps.bench.results import Row, Size, timed
from veritape.executor.adapters.guest_files import guest_image
from veritape.executor.adapters.workers.machine import processor_ns
from veritape.executor.adapters.workers.runtime import L2Runtime
from veritape.executor.vm.compiled.machine import Batch, Prepared
from veritape.executor.vm.execution import Limits
from veritape.kernel.clock import NANOSECONDS

WORKERS: Final = 2
"""Workers and cores of EX-913."""

MICROSECONDS = 1_000_000
"""In a second."""

RunBatch = Callable[[Path, int], "Measured"]
"""Runs the batch over a fresh cache in a folder with so many workers."""


class Measured(NamedTuple):
    """One batch."""

    seconds: float
    """From the call to the last outcome."""
    parent_s: float
    """Processor time of this process."""
    workers_s: float
    """Processor time of its workers together."""


def measured(runtime: L2Runtime, execute: Callable[[], int]) -> Measured:
    """Return what executing takes in a runtime whose workers are ready."""
    parent, workers = processor_ns(os.getpid()), runtime.pool.processor_ns()
    seconds = timed(execute)[1]
    parent, workers = processor_ns(os.getpid()) - parent, runtime.pool.processor_ns() - workers
    return Measured(seconds, parent / NANOSECONDS, workers / NANOSECONDS)


def allowed(alone: Measured, both: Measured) -> float:
    """Return the scaling that the processor times allow on two cores with nothing else on them."""
    longest = max(alone.parent_s, alone.workers_s)
    return longest / max((both.parent_s + both.workers_s) / WORKERS, both.parent_s)


def ceiling(inputs: Sequence[bytes]) -> float:
    """Return how much faster two threads of the bare kernel are than one: what two cores of this machine give just now."""
    image = guest_image("fibonacci")
    batches = [Batch(Prepared(image), inputs, Limits()) for _ in range(1 + WORKERS)]
    alone = timed(batches[0].run)[1]
    threads = [threading.Thread(target=batch.run) for batch in batches[1:]]

    def together() -> int:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return WORKERS

    return WORKERS * alone / timed(together)[1]


def scaling(
    folder: Path, size: Size, items: int, run: RunBatch, kernel_inputs: Sequence[bytes]
) -> Iterator[Row]:
    """Measure receipts through the runtime with one worker and with two, in turns."""
    runs = [
        (run(folder / f"one{turn}", 1), run(folder / f"two{turn}", WORKERS), ceiling(kernel_inputs))
        for turn in range(size.runs)
    ]
    yield Row("runtime_fib10_receipts", [items / both.seconds for _, both, _ in runs])
    observed = [alone.seconds / both.seconds for alone, both, _ in runs]
    peer, ceilings = "kernel alone on two cores; ideal 2", [cores for *_, cores in runs]
    yield Row("runtime_scaling", observed, "ratio", target=1.7, goal=1.9, peer=peer, peer_values=ceilings)
    possible = [allowed(alone, both) for alone, both, _ in runs]
    yield Row("runtime_scaling by processor time", possible, "ratio", peer="observed", peer_values=observed)
    parent = [MICROSECONDS * both.parent_s / items for _, both, _ in runs]
    workers = [MICROSECONDS * both.workers_s / items for _, both, _ in runs]
    yield Row("runtime_parent_per_item", parent, "us", "lower", peer="workers together", peer_values=workers)
