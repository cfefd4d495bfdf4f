"""What waits to be written to one connection, and how each thing leaves it.

A connection has an outbox of its own, so that a slow reader delays nobody's frames.
"""

import asyncio
import contextlib
import socket as socket_module
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from aiohttp import web

from veritape.replay.sockets import Socket

CUT_BYTES = 8 << 20
"""Unsent bytes at which a slow connection is cut."""


class How(StrEnum):
    """How something leaves a connection."""

    TEXT = "text"
    """One text message."""
    FRAGMENTS = "fragments"
    """One text message in two WebSocket fragments."""
    CLOSE = "close"
    """A close frame."""
    RESET = "reset"
    """A TCP reset."""
    HALF_CLOSE = "half_close"
    """The end of this direction."""


class Outgoing(NamedTuple):
    """One thing that leaves a connection."""

    text: str
    """Of a message."""
    how: How = How.TEXT
    """What it is."""


@dataclass(eq=False)
class Outbox:
    """What waits to be written to one connection."""

    socket: Socket
    """Whose it is."""
    abort: Callable[[], None]
    """Cuts the connection."""
    unsent: Callable[[], int]
    """Bytes that the transport holds."""
    queue: deque[Outgoing] = field(default_factory=deque)
    """What leaves, in order."""
    queued_bytes: int = 0
    """Size of the texts."""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while something waits."""
    after_data: dict[tuple[str, str], str] = field(default_factory=dict)
    """(tr_id, tr_key) -> acknowledgement that follows the first data frame."""
    after_next: list[str] = field(default_factory=list)
    """Acknowledgements that follow the next one."""

    def put(self, text: str, how: How = How.TEXT) -> None:
        """Queue something; a connection that is too far behind is cut."""
        self.queue.append(Outgoing(text, how))
        self.queued_bytes += len(text)
        self.ready.set()
        if self.behind_bytes() > CUT_BYTES:
            self.abort()

    async def take(self) -> Outgoing:
        """Return what leaves next."""
        while not self.queue:
            self.ready.clear()
            await self.ready.wait()
        one = self.queue.popleft()
        self.queued_bytes -= len(one.text)
        return one

    def behind_bytes(self) -> int:
        """Return what was put and is not yet written."""
        return self.queued_bytes + self.unsent()


async def write(connection: web.WebSocketResponse, transport: asyncio.Transport, outbox: Outbox) -> None:
    """Write what an outbox holds, in order, until the connection ends."""
    with contextlib.suppress(ConnectionError, RuntimeError):
        while True:
            one = await outbox.take()
            if one.how is How.TEXT:
                await connection.send_str(one.text)
            elif one.how is How.FRAGMENTS:
                transport.write(fragments(one.text))
            elif one.how is How.CLOSE:
                await connection.close()
            elif one.how is How.HALF_CLOSE:
                transport.write_eof()
            else:
                reset(transport)


def fragments(text: str) -> bytes:
    """Return a text as two WebSocket fragments, cut in the middle (RFC 6455, 5.4)."""
    data = text.encode()
    middle = len(data) // 2
    return _fragment(0x01, data[:middle]) + _fragment(0x80, data[middle:])


def _fragment(first_byte: int, data: bytes) -> bytes:
    if len(data) < 126:  # noqa: PLR2004 - lengths below it fit the second byte
        return bytes((first_byte, len(data))) + data
    return bytes((first_byte, 126)) + len(data).to_bytes(2, "big") + data


def reset(transport: asyncio.Transport) -> None:
    """End a connection with a TCP reset."""
    raw = transport.get_extra_info("socket")
    raw.setsockopt(socket_module.SOL_SOCKET, socket_module.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
