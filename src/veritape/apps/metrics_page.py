"""Both ends of the metrics of a chain: the supervisor's page, and a child's pipe to it.

The supervisor opens a pipe for each child, passes its writing end on and names it in ``VERITAPE_METRICS_FD``; a child
that finds no such variable runs alone and serves or drops its own figures. Both build their registry from the same list.
"""

import asyncio
import platform
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version

from veritape.kernel.clock import Clock
from veritape.kernel.errors import MisuseError
from veritape.telemetry import Metric, Registry
from veritape.telemetry.adapters.listener import Address, Listener
from veritape.telemetry.adapters.page_routes import page_routes
from veritape.telemetry.adapters.pipes import VectorReceiver, VectorSender
from veritape.telemetry.adapters.process_watch import watch_process
from veritape.telemetry.metrics import page_metrics
from veritape.telemetry.page import Page
from veritape.telemetry.vectors import Refusal

VARIABLE = "VERITAPE_METRICS_FD"
"""Environment variable that holds the number of the pipe's writing end."""


@asynccontextmanager
async def metrics_page(
    parts: Mapping[str, tuple[Metric, ...]],
    address: Address,
    clock: Clock,
    status: Mapping[str, object],
    warn: Callable[[str, Refusal], None],
) -> AsyncIterator[tuple[VectorReceiver, int]]:
    """Serve one page for the given parts; yield the receiver, whose ``open_pipe`` each child needs, and the port.

    Args:
        parts: part -> the families of its registry, in its order (``part_metrics`` included).
        address: where to listen.
        clock: for ages.
        status: what ``/status`` says beside the parts; no secret.
        warn: told once a part and reason when a child's vector is refused.
    """
    number = version("veritape")
    own = Registry(page_metrics(tuple(parts), version=number, commit="", python=platform.python_version()))
    page = Page(own, {part: Registry(metrics) for part, metrics in parts.items()})
    listener = Listener(page_routes(page, clock, number, status), address)
    port = await listener.start()
    receiver = VectorReceiver(page, clock, warn)
    watch = asyncio.create_task(watch_process(own, clock))
    try:
        yield receiver, port
    finally:
        watch.cancel()
        receiver.close()
        await listener.stop()


def sender_from_environment(
    registry: Registry, environment: Mapping[str, str], clock: Clock
) -> VectorSender | None:
    """Return the sender of a child of a supervisor, None in a process that runs alone.

    Raises:
        MisuseError: the variable is no number.
    """
    number = environment.get(VARIABLE)
    if number is None:
        return None
    if not number.isascii() or not number.isdigit():
        raise MisuseError(f"{VARIABLE}: {number!r} is not the number of a descriptor")
    return VectorSender(int(number), registry, clock)
