"""Who may see the console on the gateway's port: whoever sits at this machine and knows it by its own name (TL-780)."""

from typing import Final

from veritape.gateway.addresses import Address
from veritape.gateway.overload import SAMPLED_LEVEL
from veritape.gateway.reasons import Reason

LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")
"""Host fields with which the console is served: any other name is a rebinding attack."""


def is_console(raw_path: bytes) -> bool:
    """Tell whether a path is the console's, before anything is decoded."""
    return raw_path == b"/console" or raw_path.startswith(b"/console/")


def console_refusal(host: bytes, peer: Address | None, level: int) -> Reason | None:
    """Return why the console is not shown; None when it is.

    Args:
        host: the Host field, with or without a port.
        peer: who is at the other end of the connection; None on a unix socket.
        level: of the worker's overload.
    """
    field = host.decode("latin-1")
    parts = field.rpartition(":")
    name = parts[0] if parts[2].isdigit() else field
    if peer is None or not peer.is_loopback or name not in LOOPBACK_HOSTS:
        return Reason.IP_DENIED
    return Reason.OVERLOADED if level >= SAMPLED_LEVEL else None
