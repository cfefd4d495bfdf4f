"""Ports for servers that a test starts as processes, kept from everybody else until the test has ended."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


class KeptPort:
    """A port of the loopback that the kernel gives to nobody else.

    A port that was free a moment ago is anybody's: other tests of the machine bind port 0 all the time. This one stays bound, without
    listening: whoever is told its number and binds with SO_REUSEADDR, as servers do, may listen there, and may come back after its end;
    while nobody does, connections are refused.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number = int(self._socket.getsockname()[1])

    def close(self) -> None:
        """Let it go."""
        self._socket.close()


@contextmanager
def kept_port() -> Iterator[int]:
    """Keep a port while the context lasts; yield its number."""
    port = KeptPort()
    try:
        yield port.number
    finally:
        port.close()
