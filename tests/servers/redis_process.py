"""A real Redis on a unix socket and a free port, for tests."""

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import KeptPort
from tests.waiting import waited


class RedisProcess:
    """A running server; it keeps what it has in ``folder``."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self._options = folder, options
        self._kept = KeptPort()
        self.port = self._kept.number
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, *options: str) -> None:
        """Start it, with further options, and wait until it answers."""
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "",
             "--appendonly", "yes", "--appendfsync", "everysec", "--loglevel", "warning", *self._options, *options],
        )  # fmt: skip
        waited(self._answers, lambda: "redis-server does not answer")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "redis-server ended"
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=5) as one,
        ):
            one.sendall(b"PING\r\n")
            return one.recv(64).startswith(b"+PONG")
        return False

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self) -> None:
        """End it for good."""
        self.kill()
        self._kept.close()


@contextmanager
def redis_process(folder: Path, *options: str) -> Iterator[RedisProcess]:
    """Run a server; it is killed at the end."""
    server = RedisProcess(folder, *options)
    try:
        server.start()
        yield server
    finally:
        server.close()
