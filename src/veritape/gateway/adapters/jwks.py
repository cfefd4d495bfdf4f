"""Fetch a published key set: one address of the policy, no redirect, 64 KiB, 2 s (GW-433, GW-904)."""

import asyncio
import contextlib
import ssl
from ipaddress import ip_address
from typing import Final

import httptools

from veritape.gateway.outbound import Destination, may_call, read_destination
from veritape.gateway.token_keys import SET_LIMIT_BYTES
from veritape.kernel.errors import PeerError, UnavailableError

DEADLINE_S: Final = 2.0
"""Longest that a fetch takes, resolving and TLS included."""

_CHUNK_BYTES: Final = 16_384
_OK: Final = 200


class _Answer:
    """What is kept of the response; called by the parser."""

    def __init__(self) -> None:
        self.body = b""
        self.is_complete = False

    def on_body(self, octets: bytes) -> None:
        self.body += octets
        if len(self.body) > SET_LIMIT_BYTES:
            raise PeerError(f"the JWK set is above {SET_LIMIT_BYTES} bytes")

    def on_message_complete(self) -> None:
        self.is_complete = True


async def fetch_key_set(url: str, tls: ssl.SSLContext | None = None, deadline_s: float = DEADLINE_S) -> bytes:
    """Return the bytes of a key set.

    Args:
        url: an address that the policy's reader has checked.
        tls: whom to trust; the system's authorities when left out.
        deadline_s: longest that it takes.

    Raises:
        UnavailableError: the issuer cannot be reached in time, or its name leads where we do not call.
        PeerError: the answer is not 200, too long, or no HTTP.
    """
    place = read_destination(url)
    try:
        async with asyncio.timeout(deadline_s):
            return await _fetch(place, tls)
    except (OSError, TimeoutError) as error:
        raise UnavailableError(f"jwks_unreachable: {place.host}: {str(error) or 'too slow'}") from error
    except httptools.HttpParserError as error:
        raise PeerError(f"jwks_unreadable: {place.host}: {error}") from error


async def _fetch(place: Destination, tls: ssl.SSLContext | None) -> bytes:
    address = await _resolved(place)
    secure = (tls or ssl.create_default_context()) if place.is_secure else None
    reader, writer = await asyncio.open_connection(
        address, place.port, ssl=secure, server_hostname=place.host if secure else None
    )
    try:
        host = f"[{place.host}]" if ":" in place.host else place.host
        writer.write(
            f"GET {place.target} HTTP/1.1\r\nHost: {host}:{place.port}\r\nAccept: application/json\r\n"
            "Connection: close\r\n\r\n".encode("ascii")
        )
        await writer.drain()
        return await _read(reader, place)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _resolved(place: Destination) -> str:
    """Return the address to call; every address of the name must be one that may be called.

    Raises:
        UnavailableError: one is not.
    """
    found = await asyncio.get_running_loop().getaddrinfo(place.host, place.port, type=1)
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(may_call(ip_address(one), is_secure=place.is_secure) for one in addresses):
        raise UnavailableError(f"destination_refused: {place.host} leads to an address that is never called")
    return addresses[0]


async def _read(reader: asyncio.StreamReader, place: Destination) -> bytes:
    answer = _Answer()
    parser = httptools.HttpResponseParser(answer)
    while not answer.is_complete:
        octets = await reader.read(_CHUNK_BYTES)
        if not octets:
            raise PeerError(f"jwks_unreadable: {place.host}: the answer is cut off")
        try:
            parser.feed_data(octets)
        except httptools.HttpParserCallbackError as error:
            raise PeerError(str(error.__context__)) from error
    if parser.get_status_code() != _OK:
        raise PeerError(f"jwks_unreadable: {place.host}: status {parser.get_status_code()}, 200 is needed")
    return answer.body
