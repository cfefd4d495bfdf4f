"""The proxy's listener: one head in, then bytes both ways until both sides have ended (KIS-203)."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from veritape.kernel.listeners import not_had
from veritape.replay.adapters.doorkeeper import LOOPBACK
from veritape.replay.proxy import ESTABLISHED, HEAD_BYTES, Listener, ProxyReason, refusal, route

HEAD_SECONDS = 10.0
"""Time that a request head has (KIS-224)."""

TUNNELS = 600
"""Most connections at once: the sockets and REST connections of KIS-224 together."""

LINGER_SECONDS = 1.0
"""Time in which a refused client may read its answer: closing on unread input would reset it away."""

CHUNK_BYTES = 64 << 10
"""Bytes passed on at a time."""


class Proxy:
    """Tunnels to the replay's own listeners and to nothing else."""

    def __init__(
        self,
        ports: Mapping[Listener, int],
        on_refusal: Callable[[ProxyReason], None],
        head_seconds: float = HEAD_SECONDS,
        tunnels: int = TUNNELS,
    ) -> None:
        self._ports = ports
        self._on_refusal = on_refusal
        self._head_seconds = head_seconds
        self._tunnels = tunnels
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.port = 0
        """Port of the listener, once started."""

    async def start(self, port: int) -> None:
        """Listen on loopback; port 0 takes a free one.

        Raises:
            UnavailableError: the port is in use.
        """
        try:
            self._server = await asyncio.start_server(self._accept, LOOPBACK, port, limit=HEAD_BYTES)
        except OSError as error:
            raise not_had(LOOPBACK, port, error, "choose --proxy-port") from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the listener and every tunnel."""
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            target = ProxyReason.TOO_MANY if len(self._open) > self._tunnels else await self._asked(reader)
            if isinstance(target, ProxyReason):
                self._on_refusal(target)
                await _refuse(reader, writer, target)
                return
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self._ports[target])
            with contextlib.closing(far_writer):
                writer.write(ESTABLISHED)
                await _both_ways((reader, far_writer), (far_reader, writer))

    async def _asked(self, reader: asyncio.StreamReader) -> Listener | ProxyReason:
        try:
            async with asyncio.timeout(self._head_seconds):
                return route(await reader.readuntil(b"\r\n\r\n"))
        except TimeoutError:
            return ProxyReason.SLOW
        except asyncio.LimitOverrunError:
            return ProxyReason.TOO_LARGE


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reason: ProxyReason) -> None:
    """Answer, then discard what the client still sends until it ends or its time is over."""
    writer.write(refusal(reason))
    writer.write_eof()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while await reader.read(CHUNK_BYTES):
                pass


async def _both_ways(*ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    """Pass bytes on until each side has ended; a side that breaks ends both."""
    pumps = [asyncio.create_task(_pump(reader, writer)) for reader, writer in ways]
    try:
        await asyncio.gather(*pumps)
    finally:
        for pump in pumps:
            pump.cancel()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
