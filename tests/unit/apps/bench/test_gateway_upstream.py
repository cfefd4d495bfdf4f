"""The upstream of benchmarks."""

import socket

import pytest

from veritape.apps.bench import gateway_upstream
from veritape.apps.bench.gateway_upstream import ANSWER, announced_length, upstream_process
from veritape.kernel.errors import UnavailableError


def test_every_request_of_a_connection_is_answered() -> None:
    """GW-851: requests in one piece, in pieces and with a body; it ends with who started it."""
    with upstream_process() as server, socket.create_connection(server.target) as one:
        one.sendall(b"GET / HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab")
        received = b""
        while len(received) < len(ANSWER):
            received += one.recv(4_096)
        assert received == ANSWER
        one.sendall(b"cGET / HTTP/1.1\r\n\r\n")
        while len(received) < 3 * len(ANSWER):
            received += one.recv(4_096)
        assert received == ANSWER * 3
    with pytest.raises(ConnectionError), socket.create_connection(server.target):
        pass


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (b"X\r\n\r\n", 0),
        (b"X\r\ncontent-LENGTH: 12\r\nA: b\r\n\r\n", 12),
        (b"X\r\nContent-Length:7\r\n\r\n", 7),
    ],
)
def test_lengths_are_read(head: bytes, length: int) -> None:
    assert announced_length(head) == length


def test_one_that_does_not_start_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_upstream, "__name__", "this")
    with pytest.raises(UnavailableError, match="did not start"), upstream_process():
        pass
