"""Where the gateway may call: addresses of the policy only, and never the machine's own neighbourhood (GW-904).

A server that can be talked into calling link-local addresses gives away the credentials of the cloud machine that it runs
on. A name is checked by what it resolves to, at each call, so that it cannot be turned afterwards.
"""

from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from veritape.gateway.addresses import Address, plain_address

REFUSED: Final = tuple(
    map(ip_network, ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "100.100.100.200/32"))
)
"""Link-local addresses, and the metadata services of clouds that are elsewhere."""

_PORTS: Final = {"https": 443, "http": 80}


class Destination(NamedTuple):
    """A checked address of a resource."""

    is_secure: bool
    """TLS; without it only loopback is called."""
    host: str
    port: int
    target: str
    """Path and query."""


def read_destination(url: str) -> Destination:
    """Return where an https address leads, or an http address on this machine.

    Raises:
        ValueError: any other address; ``args[0]`` says what is allowed.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise ValueError("an https address") from error
    plain = url.isascii() and url.isprintable() and " " not in url
    if not plain or not parts.hostname or parts.fragment or "@" in parts.netloc or parts.scheme not in _PORTS:
        raise ValueError("an https address without user and fragment")
    is_secure = parts.scheme == "https"
    literal = _literal(parts.hostname)
    if literal is not None and not may_call(literal, is_secure=is_secure):
        raise ValueError("https, or http on loopback, and no link-local address")
    if literal is None and not is_secure and parts.hostname != "localhost":
        raise ValueError("https, or http on loopback")
    query = f"?{parts.query}" if parts.query else ""
    return Destination(is_secure, parts.hostname, port, (parts.path or "/") + query)


def may_call(address: Address, *, is_secure: bool) -> bool:
    """Tell whether an address may be called: no link-local one, and without TLS only loopback."""
    return not _is_refused(address) and (is_secure or plain_address(address).is_loopback)


def is_refused(text: str) -> bool:
    """Tell whether a text is an address that nothing may be sent to; a name is none."""
    found = _literal(text.partition("%")[0])
    return found is not None and _is_refused(found)


def _is_refused(address: Address) -> bool:
    plain = plain_address(address)
    return any(network.version == plain.version and plain in network for network in REFUSED)


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
