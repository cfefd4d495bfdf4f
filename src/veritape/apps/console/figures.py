"""Where the console's figures come from: the supervisor's ``/metrics.json``, read over loopback.

The page asks ``/console/data`` each second; what was read is kept for half a second, so many open pages cost one read.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import PeerError, UnavailableError, VeritapeError

ReadFigures = Callable[[], Awaitable[dict[str, Any]]]
"""Returns the document of ``/metrics.json``: ``as_of_ns``, ``part_up``, ``families``. Raises VeritapeError."""

ReadTables = Callable[[], Awaitable[dict[str, Any]]]
"""Returns ``symbols``, ``segments`` and ``receipts``, each a list of objects, newest or worst first (docs/guides/operate.md)."""

ANSWER_LIMIT_BYTES = 4_194_304
"""Largest document that is read: 2,000 series take about 200 KiB."""

ANSWER_SECONDS = 2.0
"""How long the page may take."""

KEPT_NS = NANOSECONDS // 2
"""How long a document is served to other clients."""


def figures_from_page(host: str, port: int) -> ReadFigures:
    """Return a reader of the metrics page that listens there."""
    request = f"GET /metrics.json HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()

    async def read() -> dict[str, Any]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_connection(host, port)
                try:
                    writer.write(request)
                    response = await _read_all(reader)
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            raise UnavailableError(f"the metrics page {host}:{port} does not answer") from error
        return parse(response)

    return read


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    response = bytearray()
    while data := await reader.read(65_536):
        response += data
        if len(response) > ANSWER_LIMIT_BYTES:
            raise PeerError("the metrics page answered with more than 4 MiB")
    return bytes(response)


def parse(response: bytes) -> dict[str, Any]:
    """Return the document of a whole HTTP response; PeerError when it is none."""
    head, _, body = response.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise PeerError("the metrics page did not answer with 200")
    try:
        document = json.loads(body)
    except ValueError as error:
        raise PeerError("the metrics page answered with something that is not JSON") from error
    if not isinstance(document, dict) or not isinstance(document.get("families"), dict):
        raise PeerError("the metrics page answered with another document")
    return document


class Snapshot:
    """The console's data, read once for all clients."""

    def __init__(self, figures: ReadFigures, tables: ReadTables, clock: Clock) -> None:
        self._figures, self._tables, self._clock = figures, tables, clock
        self._lock = asyncio.Lock()
        self._body = b""
        self._read_ns = -KEPT_NS

    async def body(self) -> bytes:
        """Return ``{"figures", "tables", "errors"}`` as JSON; a part that cannot be read is null, with its reason."""
        async with self._lock:
            if not self._body or self._clock.monotonic_ns() - self._read_ns >= KEPT_NS:
                self._body = await self._read()
                self._read_ns = self._clock.monotonic_ns()
            return self._body

    async def _read(self) -> bytes:
        found: dict[str, Any] = {"errors": []}
        for name, read in (("figures", self._figures), ("tables", self._tables)):
            try:
                found[name] = await read()
            except VeritapeError as error:
                found[name] = None
                found["errors"].append(error.message)
        return json.dumps(found, separators=(",", ":")).encode()
