"""Sockets that listen, bound before anything is served: a port that is taken is one line (GW-941, EX-661)."""

import errno
import socket
from typing import Final

from veritape.kernel.addresses import Address
from veritape.kernel.errors import UnavailableError

BACKLOG: Final = 2_048
"""Connections that wait to be accepted."""

_CAUSES: Final = {
    errno.EADDRINUSE: "in use by another program, perhaps another veritape",
    errno.EACCES: "no permission",
    errno.EADDRNOTAVAIL: "not an address of this machine",
}


def bind(
    address: Address, *, shared: bool = False, listening: bool = True, remedy: str = "choose --port"
) -> socket.socket:
    """Return a bound socket; port 0 takes a free one.

    Args:
        address: where.
        shared: other processes of ours listen there too (SO_REUSEPORT).
        listening: False only keeps the port.
        remedy: what to do when it cannot be had.

    Raises:
        UnavailableError: the port is taken, forbidden, or the host is not ours.
    """
    listener: socket.socket | None = None
    try:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit it
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        if listening:
            listener.listen(BACKLOG)
    except OSError as error:
        if listener is not None:
            listener.close()
        raise not_had(*address, error, remedy) from error
    listener.setblocking(False)
    return listener


def not_had(host: str, port: int, error: OSError, remedy: str) -> UnavailableError:
    """Return what to say of an address that cannot be listened on.

    Args:
        host: where.
        port: which.
        error: the operating system's.
        remedy: which option or setting names another.
    """
    cause = _CAUSES.get(error.errno or 0, error.strerror or str(error))
    stop = ", or stop it" if error.errno == errno.EADDRINUSE else ""
    return UnavailableError(f"cannot listen on {host}:{port}: {cause}: {remedy}{stop}")
