"""An upstream that answers every request at once, as a process of its own: ``python -m veritape.apps.bench.gateway_upstream``.

It prints its port and ends with its standard input, so it never outlives who started it. The answer is small: what is measured
is the way there and back.
"""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Final, cast

import uvloop

from veritape.apps.bench.gateway_client import Target
from veritape.apps.bench.gateway_server import Server
from veritape.kernel.errors import UnavailableError

ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
"""What it answers."""


class Upstream(asyncio.Protocol):
    """Answers every request of a connection; it reads lengths, chunks it does not."""

    def __init__(self) -> None:
        self._waiting = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer each request that has come as a whole."""
        self._waiting += data
        while (end := self._waiting.find(b"\r\n\r\n")) >= 0 and self._transport is not None:
            end += 4 + announced_length(self._waiting[:end])
            if len(self._waiting) < end:
                return
            self._waiting = self._waiting[end:]
            self._transport.write(ANSWER)


def announced_length(head: bytes) -> int:
    """Return the body's length that a head announces, 0 when it announces none."""
    start = head.lower().find(b"\r\ncontent-length:")
    return int(head[start + 17 :].partition(b"\r\n")[0]) if start >= 0 else 0


@contextlib.contextmanager
def upstream_process() -> Iterator[Server]:
    """Run an upstream on loopback.

    Raises:
        UnavailableError: it did not start.
    """
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        line = process.stdout.readline() if process.stdout else ""
        if not line.strip().isdecimal():
            raise UnavailableError("the upstream of the benchmark did not start")
        yield Server(Target("127.0.0.1", int(line)), process.pid)
        process.communicate()


async def serve() -> None:
    """Serve until standard input ends."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    server = await loop.create_server(Upstream, "127.0.0.1", 0)
    loop.add_reader(sys.stdin.fileno(), ended.set)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await ended.wait()


if __name__ == "__main__":
    uvloop.run(serve())
