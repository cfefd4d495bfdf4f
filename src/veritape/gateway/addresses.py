"""Who calls, by address: trusted proxies, groups, classes, the deny list (GW-441 to 444).

One forwarding field is believed, and only element by element from the right, as long as the address that wrote the element
is a trusted proxy. Whoever turns X-Forwarded-For, or walks through a /64, gains nothing.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple

from veritape.gateway.quota import Limits, Rule, make_rule

Network = IPv4Network | IPv6Network
"""An address prefix."""

Address = IPv4Address | IPv6Address
"""An address."""

ELEMENTS_LIMIT: Final = 32
"""Elements of a forwarding field that are looked at."""

FIELD_LIMIT_BYTES: Final = 2_048
"""Longest forwarding field, all lines together; a longer one is not believed."""

FORWARDED_FIELDS: Final = {"x-forwarded-for": b"x-forwarded-for", "forwarded": b"forwarded", "none": b""}
"""Setting -> header field."""

GUARD: Final = make_rule(30, 60, 30)
"""Failures that an address group may cause: 30 at once, 30 a minute."""

_FOR: Final = re.compile(r'(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^;\s"]+))\s*(?=;|$)', re.IGNORECASE)
_V4_PORT: Final = re.compile(r"([0-9.]{7,15})(?::[0-9]{1,5})?")
_V6_PORT: Final = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?")


class AddressClass(NamedTuple):
    """Limits of callers without credentials."""

    name: str
    networks: tuple[Network, ...]
    limits: Limits
    shadow: bool = False
    """They are watched and deny nothing (GW-107)."""


class AddressPolicy(NamedTuple):
    """What a policy says of addresses."""

    classes: tuple[AddressClass, ...] = ()
    denied: tuple[Network, ...] = ()
    group_v4: int = 32
    """Prefix bits of one IPv4 caller."""
    group_v6: int = 64
    """Prefix bits of one IPv6 caller."""
    trusted: tuple[Network, ...] = ()
    """Proxies whose word is taken."""
    forwarded: str = "none"
    """The one field that is believed."""
    guard: Rule = GUARD
    """Failures that a group may cause."""

    def is_denied(self, address: Address) -> bool:
        """Tell whether an address is on the deny list."""
        return any(_holds(network, address) for network in self.denied)

    def is_trusted(self, address: Address) -> bool:
        """Tell whether an address is one of our proxies."""
        return any(_holds(network, address) for network in self.trusted)

    def class_of(self, address: Address) -> AddressClass | None:
        """Return the class with the longest prefix that holds an address."""
        found = [
            (network.prefixlen, one)
            for one in self.classes
            for network in one.networks
            if _holds(network, address)
        ]
        return max(found, key=lambda pair: pair[0])[1] if found else None

    def group_of(self, address: Address) -> str:
        """Return the prefix that counts as one caller (GW-442)."""
        bits = self.group_v4 if address.version == 4 else self.group_v6  # noqa: PLR2004 - the protocol's version
        return str(_network(address, bits))


def client_address(peer: Address, headers: Sequence[tuple[bytes, bytes]], policy: AddressPolicy) -> Address:
    """Return the address of the client: the first from the right that no trusted proxy vouches for.

    Args:
        peer: the socket's other end.
        headers: lower-case names and values.
        policy: whom to trust, and which field.
    """
    return believed_chain(peer, headers, policy)[-1]


def believed_chain(
    peer: Address, headers: Sequence[tuple[bytes, bytes]], policy: AddressPolicy
) -> list[Address]:
    """Return the addresses that a request came through, from the peer to the client, as far as they are believed."""
    chain = [peer]
    field = FORWARDED_FIELDS[policy.forwarded]
    if not field or not policy.is_trusted(peer):
        return chain
    lines = [value for name, value in headers if name == field]
    if sum(map(len, lines)) > FIELD_LIMIT_BYTES:
        return chain
    elements = ",".join(line.decode("latin-1") for line in lines).split(",")
    for element in reversed(elements[-ELEMENTS_LIMIT:]):
        found = _element(element.strip(), policy.forwarded)
        if found is None:
            break
        chain.append(found)
        if not policy.is_trusted(found):
            break
    return chain


@lru_cache(maxsize=65_536)
def address_text(address: Address) -> str:
    """Return an address as fields name it."""
    return str(address)


def plain_address(address: Address) -> Address:
    """Return the IPv4 address inside an IPv4-mapped IPv6 one (GW-442)."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _element(text: str, kind: str) -> Address | None:
    """Read one element: an address, with a port perhaps; None for a name, ``unknown``, a zone or nonsense."""
    if kind == "forwarded":
        found = _FOR.search(text)
        text = (found[1] or found[2] or "") if found else ""
        if ":" in text and not text.startswith("[") and not _V4_PORT.fullmatch(text):
            return None
    match = _V4_PORT.fullmatch(text) or _V6_PORT.fullmatch(text)
    try:
        return plain_address(ip_address(match[1] if match else text)) if "%" not in text else None
    except ValueError:
        return None


def _network(address: Address, bits: int) -> Network:
    if isinstance(address, IPv4Address):
        return IPv4Network((address, bits), strict=False)
    return IPv6Network((address, bits), strict=False)


def _holds(network: Network, address: Address) -> bool:
    return network.version == address.version and address in network
