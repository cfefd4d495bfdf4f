"""The listener that serves a process's metrics and health (TL-100).

A few fixed paths, GET alone, one answer a connection. It runs in the process's own loop: a blocked loop shows as a failed
scrape. Every answer is made from values in memory.
"""

import asyncio
import gzip
import ipaddress
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple

from veritape.kernel.errors import MisuseError
from veritape.kernel.listeners import not_had

HEAD_LIMIT_BYTES = 8192
"""Request line and headers together; more is answered with 431."""

CONNECTION_LIMIT = 32
"""Connections at a time; more are answered with 503."""

HEAD_SECONDS = 10.0
"""Seconds a client has to send its request and take its answer."""

LINGER_BYTES, LINGER_SECONDS = 65_536, 1.0
"""What a client may still send after its answer began, and for how long it may keep the connection."""

GZIP_BYTES = 16_384
"""Bodies above this are compressed for clients that accept it (TL-110)."""


class Answer(NamedTuple):
    """What a path says."""

    body: bytes
    media_type: str
    status: int = HTTPStatus.OK
    fields: tuple[tuple[str, str], ...] = ()


Routes = Mapping[str, Callable[[], Answer]]
"""Path -> its answer at this moment."""


class Address(NamedTuple):
    """Where to listen and who may ask."""

    host: str
    port: int
    allow: tuple[str, ...] = ()
    """CIDR blocks of peers; needed when the host is not loopback (TL-180)."""


class Listener:
    """An HTTP server for a table of paths."""

    def __init__(self, routes: Routes, address: Address) -> None:
        self._routes = routes
        self._address = address
        self._allow = _networks(address)
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def start(self) -> int:
        """Listen; return the port.

        Raises:
            UnavailableError: the port is taken, forbidden, or the host is not ours.
        """
        host, port, _ = self._address
        try:
            self._server = await asyncio.start_server(self._serve, host, port, limit=HEAD_LIMIT_BYTES)
        except OSError as error:
            raise not_had(host, port, error, "choose telemetry.listen") from error
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the listener; answers in progress are given up."""
        if self._server is not None:
            self._server.close()
            for writer in self._open.values():
                writer.transport.abort()
            await asyncio.gather(*filter(None, self._open))
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._open[task] = writer
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                writer.write(await self._reply(reader, writer))
                await writer.drain()
                await _linger(reader, writer)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            del self._open[task]

    async def _reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        if len(self._open) > CONNECTION_LIMIT:
            return render(refusal(HTTPStatus.SERVICE_UNAVAILABLE), compress=False)
        if self._allow and not self._is_allowed(writer.get_extra_info("peername")[0]):
            return render(refusal(HTTPStatus.FORBIDDEN), compress=False)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return render(refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE), compress=False)
        return respond(self._routes, head)

    def _is_allowed(self, peer: str) -> bool:
        address = ipaddress.ip_address(peer)
        return address.is_loopback or any(address in network for network in self._allow)


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say that the answer is whole and take what the client still sends, or closing would reset the answer away."""
    if writer.is_closing():
        return
    writer.write_eof()
    left = LINGER_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0 and (data := await reader.read(left)):
                left -= len(data)


def respond(routes: Routes, head: bytes) -> bytes:
    """Return the whole response to a request's head."""
    lines = head.decode("latin-1").split("\r\n")
    match lines[0].split(" "):
        case [method, target, "HTTP/1.0" | "HTTP/1.1"]:
            path = target.partition("?")[0]
        case _:
            return render(refusal(HTTPStatus.BAD_REQUEST), compress=False)
    if path not in routes:
        return render(refusal(HTTPStatus.NOT_FOUND), compress=False)
    if method != "GET":
        return render(refusal(HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", "GET")), compress=False)
    accepted = [line.lower() for line in lines if line.lower().startswith("accept-encoding:")]
    return render(routes[path](), compress=any("gzip" in line for line in accepted))


def refusal(status: HTTPStatus, *fields: tuple[str, str]) -> Answer:
    """Return an answer that only says its status."""
    return Answer(f"{status.phrase}\n".encode(), "text/plain; charset=utf-8", status, fields)


def render(answer: Answer, *, compress: bool) -> bytes:
    """Return an answer's bytes; large ones compressed when the client takes that."""
    body, fields = answer.body, list(answer.fields)
    if compress and len(body) > GZIP_BYTES:
        body = gzip.compress(body, compresslevel=1, mtime=0)
        fields.append(("Content-Encoding", "gzip"))
    status = HTTPStatus(answer.status)
    fields += [
        ("Content-Type", answer.media_type),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Connection", "close"),
    ]
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"HTTP/1.1 {status.value} {status.phrase}\r\n{head}\r\n".encode() + body


def _networks(address: Address) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """Read the allow list; raise MisuseError for a wide listener without one, or a block that cannot be read."""
    try:
        loopback = address.host == "localhost" or ipaddress.ip_address(address.host).is_loopback
        networks = tuple(ipaddress.ip_network(block) for block in address.allow)
    except ValueError as error:
        raise MisuseError(f"telemetry.listen, telemetry.allow: {error}") from error
    if not loopback and not networks:
        raise MisuseError("telemetry.listen is not loopback: set telemetry.allow")
    return networks
