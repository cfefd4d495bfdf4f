"""Which tunnels the replay's proxy opens (KIS-203).

Clients of the broker have its host names built in. Most of them honour ``https_proxy``, so a proxy that answers for
exactly the broker's four addresses lets them run unmodified and reaches nothing else. A request begins like this::

    CONNECT openapi.koreainvestment.com:9443 HTTP/1.1
"""

import re
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from veritape.wire.kis.hosts import PAPER, REAL

HEAD_BYTES: Final = 16 << 10
"""Longest request head (KIS-224)."""

REQUEST_LINE: Final = re.compile(rb"([A-Z]{1,16}) ([!-~]{1,512}) HTTP/1\.[01]\r\n")
"""Method, target, version."""


class Listener(StrEnum):
    """What a tunnel leads to."""

    REST = "rest"
    """The REST listener, with TLS."""
    WEBSOCKET = "websocket"
    """The WebSocket listener."""


class ProxyReason(StrEnum):
    """Why no tunnel opens."""

    MALFORMED = "malformed"
    """The head is no HTTP/1 request."""
    NOT_CONNECT = "not_connect"
    """A method other than CONNECT: the proxy forwards no request itself."""
    FOREIGN_TARGET = "foreign_target"
    """The target is none of the broker's addresses."""
    TOO_LARGE = "too_large"
    """The head is longer than ``HEAD_BYTES``."""
    SLOW = "slow"
    """The head did not arrive in time."""
    TOO_MANY = "too_many"
    """As many tunnels are open as the proxy keeps."""


STATUSES: Final = MappingProxyType(
    {
        ProxyReason.MALFORMED: "400 Bad Request",
        ProxyReason.NOT_CONNECT: "405 Method Not Allowed",
        ProxyReason.FOREIGN_TARGET: "403 Forbidden",
        ProxyReason.TOO_LARGE: "431 Request Header Fields Too Large",
        ProxyReason.SLOW: "408 Request Timeout",
        ProxyReason.TOO_MANY: "503 Service Unavailable",
    }
)
"""Reason -> HTTP status line."""

TARGETS: Final = MappingProxyType(
    {
        f"{name}:{port}": listener
        for hosts in (REAL, PAPER)
        for listener, (name, port) in ((Listener.REST, hosts.rest), (Listener.WEBSOCKET, hosts.websocket))
    }
)
"""The four targets that are answered."""


def route(head: bytes) -> Listener | ProxyReason:
    """Return what a request head asks for, or why it is refused; total for any bytes."""
    line = REQUEST_LINE.match(head)
    if line is None:
        return ProxyReason.MALFORMED
    if line[1] != b"CONNECT":
        return ProxyReason.NOT_CONNECT
    return TARGETS.get(line[2].decode("ascii").lower(), ProxyReason.FOREIGN_TARGET)


def refusal(reason: ProxyReason) -> bytes:
    """Return the answer that refuses a tunnel."""
    return f"HTTP/1.1 {STATUSES[reason]}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"
"""The answer that opens a tunnel."""
