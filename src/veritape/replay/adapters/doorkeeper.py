"""What a listener endures: so many connections, so much of a request head, so long for it (KIS-224).

The web server behind it sees only connections that were let in. A connection beyond the limit is cut at once; one whose
first head is too long or too slow is told so and closed.
"""

import asyncio
import ssl
from collections.abc import Callable
from enum import StrEnum
from typing import Final

LOOPBACK: Final = "127.0.0.1"
"""The only address."""

HEAD_BYTES: Final = 16 << 10
"""Longest request head."""

HEAD_SECONDS: Final = 10.0
"""Time that a connection's first request head has."""

SOCKETS: Final = 100
"""Most connections of the WebSocket listener."""

REST_CONNECTIONS: Final = 500
"""Most connections of a REST listener."""

HEAD_END: Final = b"\r\n\r\n"
"""End of a request head."""


class Turned(StrEnum):
    """Why a connection was ended at the door."""

    TOO_MANY = "too_many"
    """The listener has all the connections that it may have."""
    TOO_LARGE = "too_large"
    """The request head is longer than 16 KiB."""
    TOO_SLOW = "too_slow"
    """The request head took longer than 10 s."""


STATUS: Final = {
    Turned.TOO_LARGE: b"431 Request Header Fields Too Large",
    Turned.TOO_SLOW: b"408 Request Timeout",
}
"""What a connection is told; one too many is told nothing."""


class Doorkeeper:
    """One listener."""

    def __init__(
        self,
        inner: Callable[[], asyncio.Protocol],
        limit: int,
        on_turned: Callable[[Turned], None],
        head_seconds: float = HEAD_SECONDS,
    ) -> None:
        self.inner = inner
        """Makes the protocol of a connection that is let in."""
        self.on_turned = on_turned
        """Told about each connection that is ended here."""
        self.head_seconds = head_seconds
        """Time of a head."""
        self.inside = 0
        """Connections that were let in and are open."""
        self._limit = limit
        self._server: asyncio.Server | None = None

    async def listen(self, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen on loopback; return the port, a free one for 0.

        Raises:
            OSError: the port is in use.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Entrance(self), LOOPBACK, port, ssl=tls)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    def close(self) -> None:
        """Let nobody in any more."""
        if self._server is not None:
            self._server.close()

    def has_room(self) -> bool:
        """Tell whether one more connection may come in."""
        return self.inside < self._limit


class _Entrance(asyncio.Protocol):
    """One connection: passes everything on once it is let in."""

    def __init__(self, keeper: Doorkeeper) -> None:
        self._keeper = keeper
        self._inner: asyncio.Protocol | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(transport)
        self._transport = transport
        if not self._keeper.has_room():
            self._keeper.on_turned(Turned.TOO_MANY)
            transport.abort()
            return
        self._keeper.inside += 1
        self._inner = self._keeper.inner()
        self._timer = asyncio.get_running_loop().call_later(
            self._keeper.head_seconds, self._turn, Turned.TOO_SLOW
        )
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._timer is not None and not self._head_is_complete(data) and len(self._head) > HEAD_BYTES:
            self._turn(Turned.TOO_LARGE)
        elif self._inner is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        if self._inner is not None:
            self._keeper.inside -= 1
            self._inner.connection_lost(exc)
            self._inner = None

    def _head_is_complete(self, data: bytes) -> bool:
        self._head += data
        if HEAD_END not in self._head:
            return False
        self._head = b""
        self._stop_timer()
        return True

    def _turn(self, reason: Turned) -> None:
        """Tell the client why and close."""
        self._keeper.on_turned(reason)
        self._stop_timer()
        if not self._transport.is_closing():
            self._transport.write(
                b"HTTP/1.1 " + STATUS[reason] + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            )
            self._transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
