"""A Redis of our own while a benchmark runs."""

import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from veritape.kernel.errors import UnavailableError

TRIES = 500
"""Looks at the port, 20 ms apart."""


class RedisServer(str):
    """Its address; it can be stopped as if it hung."""

    __slots__ = ("process",)

    process: "subprocess.Popen[bytes]"

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Stop it while the context lasts: connections stay, nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Run a Redis on a free port of the loopback, with a log that is synced each second.

    Raises:
        UnavailableError: there is no redis-server, or it does not answer.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        command = ("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "",
                   "--appendonly", "yes", "--appendfsync", "everysec")  # fmt: skip
        try:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - the tests' own server
        except FileNotFoundError as error:
            raise UnavailableError("no redis-server: install it (scripts/install-test-servers)") from error
        try:
            _wait(port)
            server = RedisServer(f"redis://127.0.0.1:{port}/0")
            server.process = process
            yield server
        finally:
            process.kill()
            process.wait()


def _wait(port: int) -> None:
    waiting = threading.Event()
    for _ in range(TRIES):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as one:
                one.sendall(b"PING\r\n")
                if one.recv(64).startswith(b"+PONG"):
                    return
        except OSError:
            waiting.wait(0.02)
    raise UnavailableError("redis-server does not answer")
