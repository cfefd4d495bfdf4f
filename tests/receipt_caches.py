"""Caches and runtimes over a folder, for the executor's tests."""

from pathlib import Path

from tests import rv32
from tests.compiled import SIMULATOR

from veritape.apps.compiled_kernels import trace_backend
from veritape.executor.adapters.cache.disk import DiskLayer
from veritape.executor.adapters.cache.flights import FileLeases
from veritape.executor.adapters.cache.receipt_cache import ReceiptCache
from veritape.executor.adapters.workers.figures import Figures
from veritape.executor.adapters.workers.pool import MakeExecutor, WorkerPool, thread_executor
from veritape.executor.adapters.workers.runtime import L2Runtime
from veritape.executor.backend import TraceBackend
from veritape.executor.cache.entries import Namespace, cache_key
from veritape.executor.cache.memory import MemoryLayer
from veritape.executor.image import Image
from veritape.executor.metrics import METRICS
from veritape.kernel.clock import Clock, SystemClock
from veritape.telemetry.registry import Registry

MIB = 1 << 20
ECHO = rv32.image(
    [*rv32.call(1, rv32.RAM, 4), *rv32.call(2, rv32.RAM, 4), *rv32.halt()],
    b"",
    65_536,
)
"""Commits the first word of its input."""

TRAPPER = rv32.image(
    [
        *rv32.call(1, rv32.RAM, 4),
        *rv32.li(6, rv32.RAM),
        rv32.load("lw", 7, 6, 0),
        rv32.branch("bne", 7, 0, 8),
        rv32.EBREAK,
        *rv32.call(2, rv32.RAM, 4),
        *rv32.halt(),
    ],
    b"",
    65_536,
)
"""Commits the first word of its input, and traps when that is 0."""

ENDLESS = rv32.image([rv32.jal(0, 0)], b"", 65_536)
"""Never ends by itself."""


def memory(entries: int = 1000) -> MemoryLayer:
    return MemoryLayer(entries, 64 * MIB)


def disk_cache(folder: Path, clock: Clock | None = None) -> ReceiptCache:
    clock = clock or SystemClock()
    disk = DiskLayer(folder, 64 * MIB, clock.wall_ns())
    return ReceiptCache(memory(), SIMULATOR.sponge, clock, disk, leases=(FileLeases(folder / "locks"),))


def key_of(image: Image, data: bytes) -> bytes:
    claim = SIMULATOR.run(image, data).claim
    return cache_key(Namespace.TRACE, claim.program_id, claim.input_digest)


def runtime(
    cache: ReceiptCache,
    make: MakeExecutor = thread_executor,
    workers: int = 2,
    budget_bytes: int = 4096 * MIB,
    queue_limit: int = 100,
    kill_grace_s: float = 5.0,
    registry: Registry | None = None,
    *,
    begins_here: bool = False,
) -> L2Runtime:
    figures = Figures(registry or Registry(METRICS, strict=True))
    pool = WorkerPool(make, workers, trace_backend, begins_here=begins_here)
    return L2Runtime(
        TraceBackend(SIMULATOR), trace_backend, pool, cache, figures, SystemClock(), budget_bytes, queue_limit, kill_grace_s
    )  # fmt: skip
