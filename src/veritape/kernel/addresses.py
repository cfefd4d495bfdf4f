"""Where a process listens, as it is written in settings and options."""

from typing import Final, NamedTuple

from veritape.kernel.errors import MisuseError

LARGEST_PORT: Final = 65_535
"""Of TCP."""


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int


def parse_address(text: str, key: str) -> Address:
    """Read ``host:port``; an IPv6 host stands in brackets.

    Args:
        text: what was given.
        key: the setting or option that gave it, for the message.

    Raises:
        MisuseError: it is no address.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > LARGEST_PORT:
        raise MisuseError(f"{key}: {text!r} is no address as 127.0.0.1:8000")
    return Address(host.removeprefix("[").removesuffix("]"), int(port))
