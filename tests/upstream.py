"""A recording upstream for tests: it answers as told, byte by byte if need be, and keeps what it was sent."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Script = Callable[["Peer"], Awaitable[None]]
"""What the upstream does on a connection after it read a request's head."""


def answer(status: int = 200, body: bytes = b"{}", *fields: bytes) -> bytes:
    """Return an answer of a given length."""
    lines = [b"HTTP/1.1 %d X" % status, *fields, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@dataclass
class Peer:
    """One request that the upstream got."""

    head: bytes
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    """Its place among all requests."""

    def field(self, name: bytes) -> list[bytes]:
        """Return the values of a field."""
        lines = self.head.split(b"\r\n")[1:]
        pairs = [line.partition(b":") for line in lines]
        return [value.strip() for key, _, value in pairs if key.lower() == name]


@dataclass
class Upstream:
    """A running upstream."""

    port: int = 0
    requests: list[Peer] = field(default_factory=list)
    connections: int = 0
    stray: bytes = b""
    """Bytes that were no whole request."""
    reads_bodies: bool = True
    """Read a request's body before the script runs."""

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.port}"


async def _read_body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    fields = dict(line.lower().split(b": ", 1) for line in head.rstrip().split(b"\r\n")[1:])
    if b"transfer-encoding" not in fields:
        return await reader.readexactly(int(fields.get(b"content-length", b"0")))
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


@asynccontextmanager
async def upstream(script: Script) -> AsyncIterator[Upstream]:
    """Run an upstream; the script may write anything and close."""
    found, tasks = Upstream(), set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        found.connections += 1
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                body = await _read_body(reader, head) if found.reads_bodies else b""
                peer = Peer(head, body, reader, writer, len(found.requests))
                found.requests.append(peer)
                await script(peer)
                await writer.drain()
        except asyncio.IncompleteReadError as error:
            found.stray += error.partial
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**20)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def policy_text(*urls: str, route: str = "", upstream_extra: str = "", extra: str = "") -> bytes:
    """Return a policy whose one route ``echo`` goes to the given targets."""
    targets = ", ".join(f'{{ url = "{url}" }}' for url in urls)
    return (
        "version = 1\nengine = 1\n[tiers.free]\nminute = { limit = 1000 }\nmonth = { quota = 100000 }\n"
        "[ip]\nguard = { limit = 1000000, burst = 1000000 }\n"
        'class = [{ name = "anonymous", cidrs = ["0.0.0.0/0", "::/0"] }]\n'
        f"[upstreams]\nback = {{ targets = [{targets}]{upstream_extra} }}\n"
        '[routes.echo]\npath = ["/echo", "/echo/{rest...}"]\nmethods = ["GET", "POST"]\nupstream = "back"\n'
        f"anonymous = true\n{route}\n{extra}"
    ).encode()
