"""A gateway served in this process, and a client of raw bytes, for tests of connections."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator

from tests.servers.gateway_world import World
from tests.waiting import PATIENCE_S

from veritape.gateway.adapters.front_door import FrontDoor
from veritape.gateway.adapters.server import serve
from veritape.kernel.addresses import Address
from veritape.kernel.listeners import bind


@contextlib.asynccontextmanager
async def serving(world: World) -> AsyncIterator[int]:
    """Serve a gateway; yield its port."""
    listener = bind(Address("127.0.0.1", 0))
    port = listener.getsockname()[1]
    task = asyncio.ensure_future(
        serve(world.gateway, listener, 2, lambda: None, door=FrontDoor(world.gateway))
    )
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            break
    try:
        yield port
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(task, PATIENCE_S)
        world.gateway.upstreams.close()
        world.close()


async def open_to(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), PATIENCE_S)


async def everything(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.read(), PATIENCE_S)


async def head_of(reader: asyncio.StreamReader) -> bytes:
    """Read one answer; return its head."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)
    return head
