"""Show one part's metrics: through the supervisor's pipe, or on a page of its own (TL-100, TL-120).

A part that runs alone takes the same way as one of many: its vectors go through a pipe into a page, which a listener
serves. So the page of one part and the page of the chain are made by the same code.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from veritape.kernel.addresses import parse_address
from veritape.kernel.clock import Clock
from veritape.telemetry import Registry
from veritape.telemetry.adapters.file_export import FileExport
from veritape.telemetry.adapters.listener import Address as PageAddress
from veritape.telemetry.adapters.pipes import VectorSender
from veritape.telemetry.adapters.process_watch import watch_loop, watch_part
from veritape.telemetry.adapters.served_page import ServedPage, ended, served_page
from veritape.telemetry.metrics import TASK_FAILURES


@asynccontextmanager
async def shown_metrics(
    part: str,
    registry: Registry,
    listen: str,
    descriptor: int | None,
    clock: Clock,
    export_dir: Path | None = None,
    folder: Path | None = None,
) -> AsyncIterator[int | None]:
    """Show the registry while the context lasts; yield the port of its own page, None without one.

    Args:
        part: name of the part; the registry holds ``part_metrics(part)``.
        registry: of this process.
        listen: host:port of the page; empty for none.
        descriptor: the supervisor's pipe; with one there is no page here.
        clock: the machine's own.
        export_dir: where the page is written as files too; None for nowhere (TL-160).
        folder: the part's data, whose disk is told; None for none.

    Raises:
        MisuseError: ``listen`` is no address.
        UnavailableError: the port is busy, or the pipe is not open.
    """
    async with contextlib.AsyncExitStack() as stack:
        port = None
        if descriptor is not None:
            stack.push_async_callback(
                ended, asyncio.create_task(VectorSender(descriptor, registry, clock).run())
            )
        elif listen:
            shown = await stack.enter_async_context(own_page(part, registry, listen, clock, export_dir))
            port = shown.port
        stack.push_async_callback(ended, asyncio.create_task(watch_loop(registry, part, clock)))
        stack.push_async_callback(ended, asyncio.create_task(watch_part(registry, part, folder, clock)))
        _count_failures(registry, part)
        yield port


def _count_failures(registry: Registry, part: str) -> None:
    """Count what ends a task of this loop and nobody awaits: always a bug."""
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()

    def failed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        registry.add(TASK_FAILURES, part=part)
        if before is None:
            loop.default_exception_handler(context)
        else:
            before(loop, context)

    loop.set_exception_handler(failed)


@asynccontextmanager
async def own_page(
    part: str, registry: Registry, listen: str, clock: Clock, export_dir: Path | None = None
) -> AsyncIterator[ServedPage]:
    """Serve the page of one part, to which this process reports, while the context lasts.

    Args:
        part: name of the part; the registry holds ``part_metrics(part)``.
        registry: of this process, and the layout of any other that reports there.
        listen: host:port.
        clock: the machine's own.
        export_dir: where the page is written as files too; None for nowhere (TL-160).

    Raises:
        MisuseError: ``listen`` is no address.
        UnavailableError: the port is busy.
    """
    address = PageAddress(*parse_address(listen, "the metrics page"))
    async with served_page({part: registry}, address, clock) as shown:
        sender = VectorSender(shown.receiver.open_pipe(part), registry, clock)
        tasks = [asyncio.create_task(sender.run())]
        if export_dir is not None:
            export = FileExport(shown.page, export_dir, clock, structlog.get_logger().warning)
            tasks.insert(0, asyncio.create_task(export.run()))
        try:
            yield shown
        finally:
            for task in tasks:
                await ended(task)
