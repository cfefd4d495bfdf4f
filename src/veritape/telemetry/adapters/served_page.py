"""A metrics page that is served while a context lasts: one part's, several workers' or the whole chain's (TL-100, TL-135)."""

import asyncio
import contextlib
import platform
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import NamedTuple

from veritape.kernel.clock import Clock
from veritape.telemetry.adapters.listener import Address, Listener
from veritape.telemetry.adapters.page_routes import page_routes
from veritape.telemetry.adapters.pipes import VectorReceiver
from veritape.telemetry.adapters.process_watch import watch_process
from veritape.telemetry.metrics import page_metrics
from veritape.telemetry.page import Page
from veritape.telemetry.registry import Registry
from veritape.telemetry.vectors import Refusal


class ServedPage(NamedTuple):
    """A page that answers now."""

    port: int
    """On which it answers."""
    page: Page
    """What it shows."""
    receiver: VectorReceiver
    """Opens the pipes through which processes report to it."""


def _untold(_part: str, _reason: Refusal) -> None:
    """Leave a refused vector to the page's own family."""


@asynccontextmanager
async def served_page(
    parts: Mapping[str, Registry],
    address: Address,
    clock: Clock,
    status: Mapping[str, object] | None = None,
    refused: Callable[[str, Refusal], None] = _untold,
) -> AsyncIterator[ServedPage]:
    """Serve a page of these parts.

    Args:
        parts: part -> a registry with the layout of what its processes report.
        address: where to listen and who may ask.
        clock: the machine's.
        status: what ``/status`` says beside the parts.
        refused: told of each vector that is refused.

    Raises:
        UnavailableError: the port is in use.
    """
    release = version("veritape")
    own = Registry(page_metrics(tuple(parts), version=release, commit="", python=platform.python_version()))
    page = Page(own, dict(parts))
    listener = Listener(page_routes(page, clock, release, status or {}), address)
    port = await listener.start()
    receiver = VectorReceiver(page, clock, refused)
    watching = asyncio.create_task(watch_process(own, clock))
    try:
        yield ServedPage(port, page, receiver)
    finally:
        await ended(watching)
        receiver.close()
        await listener.stop()


async def ended(task: "asyncio.Task[None]") -> None:
    """Cancel a task and wait until it is over."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
