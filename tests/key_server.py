"""A real HTTP server that publishes a key set, and misbehaves on demand."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class KeyServer:
    """What it answers may be changed at any time."""

    body: bytes = b'{"keys": []}'
    status: str = "200 OK"
    fields: tuple[str, ...] = ()
    """Further header lines."""
    is_silent: bool = False
    """Accepts and never answers."""
    is_cut: bool = False
    """Closes in the middle of the body."""
    asked: list[bytes] = field(default_factory=list)
    """Request heads as they came."""
    port: int = 0
    scheme: str = "http"

    @property
    def url(self) -> str:
        """Return the address of the set."""
        return f"{self.scheme}://localhost:{self.port}/keys?v=1"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            if self.is_silent:
                await reader.read()
                return
            head = "\r\n".join((f"HTTP/1.1 {self.status}", f"Content-Length: {len(self.body)}", *self.fields))
            writer.write(head.encode() + b"\r\n\r\n" + (self.body[:-1] if self.is_cut else self.body))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def key_server(body: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[KeyServer]:
    """Run a server of a key set on loopback."""
    made = KeyServer(body, scheme="https" if tls else "http")
    server = await asyncio.start_server(made.answer, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()
