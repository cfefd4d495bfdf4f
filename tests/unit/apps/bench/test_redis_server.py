"""A Redis of a benchmark."""

import socket
from urllib.parse import urlsplit

import pytest

from veritape.apps.bench.redis_server import redis_server
from veritape.kernel.errors import UnavailableError


def test_it_answers_hangs_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it hangs nothing is answered; without the program one line says what to install."""
    with redis_server() as url:
        port = urlsplit(url).port
        assert port is not None
        with socket.create_connection(("127.0.0.1", port), timeout=5) as one:
            with url.hung():
                one.sendall(b"PING\r\n")
                one.settimeout(0.05)
                with pytest.raises(TimeoutError):
                    one.recv(64)
            one.settimeout(5)
            assert one.recv(64) == b"+PONG\r\n"
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UnavailableError, match="install"), redis_server():
        pass
