"""A process that sends the bundled day's frames over one WebSocket, as fast as it can or at a rate.

usage: python -m veritape.apps.bench.websocket_source RATE SECONDS    0: no limit; prints its port, then when it began

It serves one client and parses nothing but the upgrade, so that it is not what is measured. Each repetition of the day is
another business date, so that no trade is a duplicate. At a rate, frame n is due n / rate seconds after the begin:
``SLICE_NS`` of them go out together, and a receiver measures from the time that each was due. They go out at once
(``TCP_NODELAY``): else a small send waits for the acknowledgement of the one before, which the receiver's kernel delays by 40 ms.
"""

import base64
import hashlib
import socket
import sys
import time
from collections.abc import Iterator

from veritape.apps.bench.observer_tape import DAY, texts
from veritape.kernel.clock import NANOSECONDS, SystemClock

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What RFC 6455 appends to the client's key."""

SLICE_NS = 1_000_000
"""Time between two sends at a rate."""

BURST = 64
"""Frames of one send without a rate."""

SETTLE_SECONDS = 0.2
"""Pause after the upgrade, in which the client gets ready."""

SHORT = 126
"""Payload bytes from which a frame has a 16-bit length."""


def main() -> None:
    """Serve one client."""
    rate, seconds = float(sys.argv[1]), float(sys.argv[2])
    texts()
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)  # noqa: T201 - what the measuring process reads
        connection, _ = server.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _upgrade(connection)
            time.sleep(SETTLE_SECONDS)
            began_ns = SystemClock().monotonic_ns()
            print(began_ns, flush=True)  # noqa: T201 - as above
            try:
                _send(connection, rate, began_ns, began_ns + int(seconds * NANOSECONDS))
            except (BrokenPipeError, ConnectionResetError):
                return


def _send(connection: socket.socket, rate: float, began_ns: int, end_ns: int) -> None:
    clock, frames, sent = SystemClock(), _frames(), 0
    while (now_ns := clock.monotonic_ns()) < end_ns:
        due = int((now_ns - began_ns) * rate / NANOSECONDS) - sent if rate else BURST
        if due > 0:
            connection.sendall(b"".join(next(frames) for _ in range(due)))
            sent += due
        if rate:
            time.sleep(max(0, SLICE_NS - (clock.monotonic_ns() - now_ns)) / NANOSECONDS)


def _frames() -> Iterator[bytes]:
    """Yield the day's WebSocket frames again and again, with other dates."""
    repetition = 0
    while True:
        date = f"{2000 + repetition // 336:04}{repetition // 28 % 12 + 1:02}{repetition % 28 + 1:02}".encode()
        for text in texts():
            yield framed(text.replace(DAY.encode(), date))
        repetition += 1


def framed(payload: bytes) -> bytes:
    """Return a text message as a server sends it: one frame, not masked."""
    size = len(payload)
    return b"\x81" + (bytes([size]) if size < SHORT else b"\x7e" + size.to_bytes(2, "big")) + payload


def _upgrade(connection: socket.socket) -> None:
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(4096)
    connection.sendall(upgrade_answer(request))


def upgrade_answer(request: bytes) -> bytes:
    """Return what accepts a client's upgrade."""
    key = next(
        line.split(b": ")[1]
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key")
    )
    accept = base64.b64encode(hashlib.sha1(key + MAGIC).digest())  # noqa: S324 - RFC 6455 says so
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return answer + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"


if __name__ == "__main__":
    main()
