"""Who asks, as the gateway sees it: a turn on a connection of ours, or any ASGI server."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from veritape.gateway.adapters.departure import Departure, departure_of
from veritape.gateway.answers import BODILESS, Call, Headers

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application."""


class Client(Protocol):
    """The other end of one request."""

    @property
    def call(self) -> Call:
        """Return the head of the request; its path is the raw one."""
        ...

    @property
    def host(self) -> str | None:
        """Return the address at the other end; None on a unix socket."""
        ...

    @property
    def scheme(self) -> str:
        """Return ``http`` or ``https``."""
        ...

    @property
    def departure(self) -> Departure:
        """Return what tells that nobody waits for the answer."""
        ...

    @property
    def scope(self) -> Scope:
        """Return the request as ASGI has it."""
        ...

    @property
    def receive(self) -> Receive:
        """Return what returns the parts of the body, as ASGI has it."""
        ...

    @property
    def send(self) -> Send:
        """Return what takes the parts of the answer, as ASGI has it."""
        ...

    def shed(self) -> None:
        """Note that the request is refused because we are too busy: who comes back too soon may have to wait."""
        ...

    async def whole(self, status: int, lines: bytes, body: bytes) -> None:
        """Take an answer that is there as a whole: its header lines but for the length, which is written here, and its body."""
        ...

    async def begin(self, status: int, lines: bytes, length: int | None) -> None:
        """Take the head of an answer whose body follows; None when nobody knows its length."""
        ...

    async def write(self, piece: bytes) -> None:
        """Take a piece of the body; return when more may come."""
        ...

    async def end(self) -> None:
        """Complete the answer."""
        ...


class AsgiClient:
    """A client behind an ASGI server."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        self.departure = departure_of(scope)
        headers: Headers = [(bytes(name).lower(), bytes(value)) for name, value in scope["headers"]]
        raw = bytes(scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
        self.call = Call(scope["method"], "", scope.get("query_string", b""), headers, raw)
        client = scope.get("client")
        self.host: str | None = client[0] if client else None
        self.scheme = str(scope.get("scheme", "http"))

    def shed(self) -> None:
        """Do nothing: the server has the connection."""

    async def whole(self, status: int, lines: bytes, body: bytes) -> None:
        """Send an answer that is there as a whole."""
        await self.begin(status, lines, len(body))
        await self.send({"type": "http.response.body", "body": b"" if self.call.method == "HEAD" else body})

    async def begin(self, status: int, lines: bytes, length: int | None) -> None:
        """Send the head of an answer."""
        parts = [line.partition(b": ") for line in lines.split(b"\r\n")[:-1]]
        fields = [(name, value) for name, _, value in parts]
        if length is not None and status not in BODILESS:
            fields.append((b"content-length", b"%d" % length))
        await self.send({"type": "http.response.start", "status": status, "headers": fields})

    async def write(self, piece: bytes) -> None:
        """Send a piece of the body."""
        await self.send({"type": "http.response.body", "body": piece, "more_body": True})

    async def end(self) -> None:
        """Send the end."""
        await self.send({"type": "http.response.body", "body": b""})


async def live(receive: Receive, send: Send) -> None:
    """Answer an ASGI server's start and end."""
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
