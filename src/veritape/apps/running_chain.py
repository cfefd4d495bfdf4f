"""Start, watch and stop the chain's processes: what ``up`` and ``demo`` share."""

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from veritape.apps.chain import (
    GATEWAY_FILE,
    LOOPBACK,
    ChainOptions,
    Folders,
    Ports,
    command,
    configurations,
    plans,
)
from veritape.apps.metrics_page import metrics_page
from veritape.apps.supervisor import Supervisor
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import CheckFailedError, MisuseError
from veritape.kernel.files import write_atomically
from veritape.kernel.listeners import not_had

CUSTOMERS = ("free", "pro")
"""Tiers of the keys that are made for a run."""

LISTENING_LOOK_SECONDS = 0.2
"""Pause between two attempts to connect to a part that starts."""

PRIVATE = 0o600
"""Permission bits of configuration files: they hold credentials."""


async def output_of(name: str, *arguments: str) -> bytes:
    """Run one of our own commands in a fresh process and return what it prints.

    Raises:
        CheckFailedError: it printed nothing; the message is what it said on stderr.
    """
    process = await asyncio.create_subprocess_exec(
        *command(name, *arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    if not output:
        raise CheckFailedError(f"veritape {name}: {errors.decode(errors='replace').strip()}")
    return output


async def until_listening(port: int) -> None:
    """Return once a part of the chain takes connections on its port; the caller knows how long that may take."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(LOOPBACK, port)
            writer.close()
            return
        await asyncio.sleep(LISTENING_LOOK_SECONDS)


async def create_keys(options: ChainOptions) -> dict[str, str]:
    """Create one API key for each of the two customers; return tier -> key."""
    configuration = str(Folders(options.folder).configuration / GATEWAY_FILE)
    keys = {}
    for tier in CUSTOMERS:
        arguments = ("create", f"{tier}-customer", "--tier", tier, "--config", configuration, "--json")
        keys[tier] = str(json.loads(await output_of("keys", *arguments))["key"])
    return keys


def new_folder(folder: Path, option: str) -> Path:
    """Return the absolute path of a run's folder.

    Raises:
        MisuseError: it holds something already: two runs never share a folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise MisuseError(f"{option} {folder}: not an empty folder: name a new one")
    return folder.resolve()


@contextlib.contextmanager
def kept_ports() -> Iterator[Ports]:
    """Yield ports that are free and stay ours: bound, without listening, so that the kernel gives them to nobody else.

    The parts bind with SO_REUSEADDR, as servers do, and therefore may listen there, seconds later and after a restart.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in Ports.__dataclass_fields__]
        for one in sockets:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((LOOPBACK, 0))
        yield Ports(*(one.getsockname()[1] for one in sockets))


def require_free(ports: Ports) -> None:
    """Check before anything starts that every port of the chain is free.

    Raises:
        UnavailableError: naming the port and the option that chooses another for the part that would listen there.
    """
    for name in Ports.__dataclass_fields__:
        port = getattr(ports, name)
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind((LOOPBACK, port))
            except OSError as error:
                part = name.replace("_", "-")
                raise not_had(LOOPBACK, port, error, f"choose --port {part}=NUMBER") from error


@asynccontextmanager
async def running(options: ChainOptions) -> AsyncIterator[Supervisor]:
    """Serve the metrics page, write the configurations, start every part; stop them all at the end."""
    folders, clock = Folders(options.folder), SystemClock()
    async with metrics_page(
        LOOPBACK, options.ports.metrics, clock, {"folder": str(options.folder)}
    ) as descriptors:
        for name, content in configurations(options, descriptors).items():
            write_atomically(folders.configuration / name, content.encode(), PRIVATE)
        supervisor = Supervisor(folders.logs, dict(os.environ), clock)  # noqa: TID251 - children inherit it
        try:
            await supervisor.start_all(plans(options, descriptors))
            yield supervisor
        finally:
            await supervisor.stop()


@asynccontextmanager
async def until_signal() -> AsyncIterator[asyncio.Event]:
    """Return an event that Ctrl-C and SIGTERM set."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
