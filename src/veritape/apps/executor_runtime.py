"""Compose the executor's runtime from its settings: one place for commands, the chain and the service."""

import os
import struct
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import structlog

from veritape.apps.compiled_kernels import compiled_simulator, trace_backend
from veritape.apps.settings_file import settings_bytes
from veritape.executor.adapters.cache.disk import DiskLayer, read_secret
from veritape.executor.adapters.cache.flights import FileLeases, Leases, RedisLeases
from veritape.executor.adapters.cache.receipt_cache import ReceiptCache
from veritape.executor.adapters.cache.redis_layer import TTL_NS, RedisLayer
from veritape.executor.adapters.guest_files import guest_image
from veritape.executor.adapters.workers.costs import CostFile
from veritape.executor.adapters.workers.figures import Figures
from veritape.executor.adapters.workers.machine import cores, machine_id, memory_bytes
from veritape.executor.adapters.workers.pool import WorkerPool, make_executor, process_executor
from veritape.executor.adapters.workers.runtime import L2Runtime
from veritape.executor.adapters.workers.tuning import BatchTimer, tuned
from veritape.executor.aggregation.cost_samples import Origin
from veritape.executor.aggregation.decider import AggregationDecider
from veritape.executor.backend import TraceBackend
from veritape.executor.cache.memory import MemoryLayer
from veritape.executor.log_events import LEVELS, LogEvent, Note, note_nothing
from veritape.executor.metrics import METRICS
from veritape.executor.runtime.presets import Parallel, parallel
from veritape.executor.runtime.tuning import Place
from veritape.executor.settings import ExecutorFile, ExecutorSettings
from veritape.kernel.clock import NANOSECONDS, Clock, SystemClock
from veritape.kernel.settings import load_settings
from veritape.telemetry.registry import Registry

PREFIX = "VERITAPE_L2"
"""What the executor's environment variables begin with, as ``VERITAPE_L2_EXECUTOR__WORKERS``."""

TUNING = Path(".cache") / "veritape" / "tuning.json"
"""What was measured on this machine, below the user's home directory."""

COSTS = Path(".cache") / "veritape" / "costs.json"
"""What proving was measured to cost on this machine, below the user's home directory."""

TUNED_ITEMS = 1_000
"""Items from which a batch is worth a measurement."""

TUNING_STEPS, TUNING_ITEMS = 2_000, 4_000
"""Steps of fibonacci (10,000 cycles) and executions of the measured batch: kernel and interpreter have about equal parts of it."""

CACHE = Path(".cache") / "veritape" / "receipts"
"""Folder of the disk layer below the user's home directory, unless the settings name one."""


def executor_settings(config: Path | None) -> ExecutorSettings:
    """Read the executor's settings from a file and the environment.

    Raises:
        MisuseError: the file cannot be read, or a key is unknown or out of range.
    """
    source = "configuration" if config is None else str(config)
    return load_settings(ExecutorFile, settings_bytes(config), os.environ, PREFIX, source).executor  # noqa: TID251 - apps read the environment


def log_note(event: LogEvent, /, **fields: object) -> None:
    """Log an event at its level: the ``Note`` of a part that runs for long."""
    getattr(structlog.get_logger(), LEVELS[event])(event, **fields)


def note_start(settings: ExecutorSettings) -> None:
    """Log that the part has begun, and with what."""
    log_note(LogEvent.PROCESS_STARTED, pool=settings.pool, preset=settings.preset)


def usual_parallel(settings: ExecutorSettings) -> Parallel:
    """Return how many workers and threads this machine's cores and the settings give; nothing is measured."""
    return parallel(settings.sizes(), cores(), settings.workers or None, settings.threads_per_worker or None)


def effective(settings: ExecutorSettings, note: Note, clock: Clock, items: int = 0) -> Parallel:
    """Return the workers and threads to use: what the settings leave open is measured once a machine (EX-349).

    The measurement takes some seconds, so it is made for the first batch that is large enough to be worth it; whoever comes
    before it has what is usual.
    """
    usual = usual_parallel(settings)
    if settings.workers or settings.threads_per_worker or settings.pool != "process" or usual.workers == 1:
        return usual
    place = Place(machine_id(), version("veritape"), cores())
    timer = tuning_timer(clock) if items >= TUNED_ITEMS else None
    answer = tuned(Path.home() / TUNING, place, usual, timer)
    if answer is None:
        return usual
    found, measured_now = answer
    chosen = found.better(usual)
    note(
        LogEvent.PARALLEL_CHOSEN,
        workers=chosen.workers,
        threads=chosen.threads,
        one_worker_s=found.one_worker_s,
        all_workers_s=found.all_workers_s,
        measured_now=measured_now,
    )
    return chosen


def tuning_timer(clock: Clock) -> Callable[[Parallel], float]:
    """Return what times the batch of the measurement: many short executions, as batches are."""
    inputs = [struct.pack("<III", TUNING_STEPS, number, 1) for number in range(TUNING_ITEMS)]

    def seconds(chosen: Parallel) -> float:
        timer = BatchTimer(process_executor, trace_backend, guest_image("fibonacci"), inputs, clock)
        return timer(chosen)

    return seconds


def receipt_cache(
    settings: ExecutorSettings,
    figures: Figures,
    clock: Clock,
    folder: Path | None,
    note: Note,
) -> ReceiptCache:
    """Return the cache that the settings describe; ``folder`` is where the disk layer lies when they name none."""
    own, sizes, simulator = settings.cache, settings.sizes(), compiled_simulator()
    ttl_ns = own.ttl_s * NANOSECONDS or None
    secret = read_secret(Path(own.secret_file)) if own.secret_file else None
    path = Path(own.disk_path) if own.disk_path else folder or Path.home() / CACHE
    disk = DiskLayer(path, own.disk_bytes or sizes.cache_disk_bytes, clock.wall_ns(), ttl_ns, secret)
    memory = MemoryLayer(
        own.entries or sizes.cache_entries, own.memory_bytes or sizes.cache_memory_bytes, ttl_ns
    )
    cache = ReceiptCache(memory, simulator.sponge, clock, disk, note=note)
    cache.refused = lambda error: figures.refused("cache", error.reason)
    leases: list[Leases] = [FileLeases(path / "locks")]
    if own.redis_url and secret is not None:

        def failed() -> None:
            cache.counters.unavailable += 1

        cache.redis = RedisLayer(own.redis_url, secret, clock, failed, ttl_ns or TTL_NS)
        leases.append(RedisLeases(cache.redis))
    cache.leases = leases
    return cache


def make_runtime(
    settings: ExecutorSettings,
    registry: Registry | None = None,
    folder: Path | None = None,
    note: Note = note_nothing,
    clock: Clock | None = None,
    items: int = 0,
) -> L2Runtime:
    """Return a runtime over the compiled trace backend; what it runs is executed, not proven.

    Args:
        settings: the executor's.
        registry: takes the metrics; None: nobody looks.
        folder: where the disk layer lies when the settings name none.
        note: takes events.
        clock: the machine's.
        items: of the batch that is to come, which may begin in this process; 0: not known.
    """
    clock = clock or SystemClock()
    figures = Figures(registry or Registry(METRICS))
    chosen = effective(settings, note, clock, items)
    pool = WorkerPool(
        make_executor(settings.pool),
        chosen.workers,
        trace_backend,
        begins_here=settings.pool == "process" and items > 0,
    )
    return L2Runtime(
        TraceBackend(compiled_simulator()),
        trace_backend,
        pool,
        receipt_cache(settings, figures, clock, folder, note),
        figures,
        clock,
        settings.budget_bytes(memory_bytes()),
        settings.queue_limit,
        settings.kill_grace_s,
        note,
        AggregationDecider(settings.decider()),
        chosen.threads,
        cost_file(),
    )


def cost_file() -> CostFile:
    """Return the file of what proving was measured to cost on this machine (EX-446)."""
    return CostFile(Path.home() / COSTS, Origin(machine_id(), TraceBackend.parameters.hex()))
