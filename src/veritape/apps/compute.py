"""``veritape compute``: the executor's process of the chain, receipts over every sealed segment."""

import asyncio
import contextlib
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

import click

from veritape.apps.compiled_kernels import compiled_simulator
from veritape.apps.executor_runtime import executor_settings, log_note, make_runtime, note_start
from veritape.apps.part_log import part_log
from veritape.apps.part_metrics import shown_metrics
from veritape.apps.recorded_days import DATA, require_folder
from veritape.apps.running_chain import until_signal
from veritape.apps.tape_source import SealedTapes
from veritape.executor.adapters.guest_files import guest_image
from veritape.executor.adapters.receipt_files import ReceiptStore
from veritape.executor.adapters.service import Service, chain_programs
from veritape.executor.adapters.workers.pool import WorkerPool
from veritape.executor.log_events import LogEvent
from veritape.executor.metrics import METRICS
from veritape.kernel.clock import Clock, SystemClock
from veritape.kernel.errors import VeritapeError
from veritape.telemetry.metrics import part_metrics
from veritape.telemetry.registry import Registry

CACHE = "receipt-cache"
"""Folder of the receipt cache, beside the receipts."""

LOOK_SECONDS = 0.5
"""Pause between two signs of life while the workers are made ready."""

PART = "executor"
"""Name of this part on the metrics page."""


@click.command(context_settings={"show_default": True})
@click.option("--data", type=click.Path(path_type=Path), required=True, help="The recorder's data directory.")
@click.option(
    "--receipts", type=click.Path(path_type=Path), help="Where receipts are written; default: receipts.path."
)
@click.option("--venue", default="KRX", help="Venue whose segments are read.")
@click.option(
    "--config", type=click.Path(path_type=Path), help="Settings of the executor (docs/guides/executor.md)."
)
@click.option("--once", is_flag=True, help="Compute what is sealed now, then exit.")
@click.option("--metrics", "listen", default="", help="host:port of a metrics page of its own.")
@click.option("--metrics-pipe", "descriptor", type=click.IntRange(3), help="Open pipe of a supervisor.")
def compute(
    data: Path,
    receipts: Path | None,
    venue: str,
    config: Path | None,
    once: bool,
    listen: str,
    descriptor: int | None,
) -> None:
    """Run the guests vwap and ohlcv over every sealed segment and write receipts (executed, not proven) until Ctrl-C or SIGTERM."""
    settings = executor_settings(config)
    if once:
        require_folder(data, "--data", DATA)
    registry = Registry((*part_metrics(PART), *METRICS))
    folder = receipts or Path(settings.receipts.path)
    store = ReceiptStore(folder, compiled_simulator().sponge)
    with part_log(PART, registry, SystemClock()):
        note_start(settings)
        with make_runtime(settings, registry, folder.with_name(CACHE), log_note) as runtime:
            programs = chain_programs(guest_image)
            service = Service(
                SealedTapes(data, venue), store, runtime, programs, log_note, settings.receipts.retention_days
            )
            asyncio.run(_run(service, registry, listen, descriptor, once=once))
        log_note(LogEvent.PROCESS_STOPPED)
    if once:
        click.echo(f"{len(store.names())} receipts of sealed segments (executed, not proven)")


async def _run(
    service: Service, registry: Registry, listen: str, descriptor: int | None, *, once: bool
) -> None:
    clock = SystemClock()
    async with until_signal() as stop, shown_metrics(PART, registry, listen, descriptor, clock):
        work = asyncio.ensure_future(service.once() if once else _follow(service, clock))
        stopped = asyncio.create_task(stop.wait())
        waits: set[asyncio.Future[Any]] = {work, stopped}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not work.done():
            service.runtime.cancel()
            work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work


async def _follow(service: Service, clock: Clock) -> None:
    """Compute what is sealed until cancelled, once a worker is ready.

    On a new machine a worker compiles for some seconds, while nothing is sealed yet; several at once would compile the same.
    """
    warm = asyncio.create_task(asyncio.to_thread(_warm, service.runtime.pool))
    try:
        while not warm.done():
            service.runtime.figures.tick(clock.monotonic_ns())
            await asyncio.wait({warm}, timeout=LOOK_SECONDS)
        await service.run(clock)
    finally:
        if not warm.done():
            service.runtime.pool.kill()


def _warm(pool: WorkerPool) -> None:
    with contextlib.suppress(BrokenExecutor, VeritapeError):  # the first batch meets the same, and tells
        pool.ready()
