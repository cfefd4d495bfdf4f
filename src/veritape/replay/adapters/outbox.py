"""What waits to be written to one connection, and how each thing leaves it.

A connection has an outbox of its own, so that a slow reader delays nobody's frames.
"""

import asyncio
import contextlib
import socket as socket_module
import struct
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from aiohttp import web

from veritape.replay.sockets import Socket

HELD_BYTES = 64 << 10
"""Bytes that one write joins, and that the transport may hold before the next one."""

DRAIN_SECONDS = 0.001
"""Pause between two looks at a transport that holds more."""

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

    def take_frames(self) -> Iterator[bytes]:
        """Yield the bytes of the messages that wait next, up to what is no message or to ``HELD_BYTES``."""
        size = 0
        while self.queue and self.queue[0].how in FRAMES and size < HELD_BYTES:
            one = self.queue.popleft()
            self.queued_bytes -= len(one.text)
            size += len(one.text)
            yield FRAMES[one.how](one.text)

    def behind_bytes(self) -> int:
        """Return what was put and is not yet written."""
        return self.queued_bytes + self.unsent()


async def write(connection: web.WebSocketResponse, transport: asyncio.Transport, outbox: Outbox) -> None:
    """Write what an outbox holds, in order, until the connection ends; what waits together leaves in one write."""
    while not transport.is_closing():
        one = await outbox.take()
        if one.how in FRAMES:
            together = [FRAMES[one.how](one.text), *outbox.take_frames()]
            transport.write(b"".join(together))
            await _drained(transport)
        elif one.how is How.CLOSE:
            with contextlib.suppress(ConnectionError, RuntimeError):
                await connection.close()
        elif one.how is How.HALF_CLOSE:
            transport.write_eof()
        else:
            reset(transport)


async def _drained(transport: asyncio.Transport) -> None:
    """Wait until the transport holds little: its own signal belongs to the web server behind it."""
    await asyncio.sleep(0)
    while transport.get_write_buffer_size() > HELD_BYTES and not transport.is_closing():  # noqa: ASYNC110 - as said above
        await asyncio.sleep(DRAIN_SECONDS)


def message(text: str) -> bytes:
    """Return a text as one WebSocket message of a server (RFC 6455, 5.2): no mask, no compression (KIS-113)."""
    return _frame(0x81, text.encode())


def fragments(text: str) -> bytes:
    """Return a text as two WebSocket fragments, cut in the middle (RFC 6455, 5.4)."""
    data = text.encode()
    middle = len(data) // 2
    return _frame(0x01, data[:middle]) + _frame(0x80, data[middle:])


def _frame(first_byte: int, data: bytes) -> bytes:
    size = len(data)
    if size < 126:  # noqa: PLR2004 - lengths below it fit the second byte
        return bytes((first_byte, size)) + data
    if size < 1 << 16:
        return bytes((first_byte, 126)) + size.to_bytes(2, "big") + data
    return bytes((first_byte, 127)) + size.to_bytes(8, "big") + data


FRAMES: Final = {How.TEXT: message, How.FRAGMENTS: fragments}
"""How messages become bytes."""


def reset(transport: asyncio.Transport) -> None:
    """End a connection with a TCP reset."""
    raw = transport.get_extra_info("socket")
    raw.setsockopt(socket_module.SOL_SOCKET, socket_module.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
