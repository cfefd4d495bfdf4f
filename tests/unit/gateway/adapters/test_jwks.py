"""Fetching a key set over real sockets."""

import asyncio
import datetime as dt
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.key_server import key_server
from tests.tokens import ec_key

from veritape.gateway.adapters import jwks
from veritape.gateway.adapters.jwks import fetch_key_set
from veritape.kernel.errors import PeerError, UnavailableError


async def test_a_set_is_fetched_with_one_plain_request() -> None:
    """GW-433: http on loopback, no credential, no redirect followed."""
    async with key_server(b'{"keys": [] }') as server:
        assert await fetch_key_set(server.url) == b'{"keys": [] }'
        head = server.asked[0].decode().split("\r\n")
        assert head[:2] == ["GET /keys?v=1 HTTP/1.1", f"Host: localhost:{server.port}"]
        server.status, server.fields = "302 Found", ("Location: http://127.0.0.1/",)
        with pytest.raises(PeerError, match="status 302, 200 is needed"):
            await fetch_key_set(server.url)
        assert len(server.asked) == 2


async def test_what_is_too_large_broken_or_silent_is_refused() -> None:
    """GW-433: 64 KiB; the deadline ends a server that never answers; errors are one line."""
    assert jwks.DEADLINE_S == 2.0
    async with key_server(b" " * 65_536) as server:
        assert len(await fetch_key_set(server.url)) == 65_536
        server.body += b" "
        with pytest.raises(PeerError, match="above 65536 bytes"):
            await fetch_key_set(server.url)
        server.body, server.is_cut = b"{}", True
        with pytest.raises(PeerError, match="cut off"):
            await fetch_key_set(server.url)
        server.is_cut, server.status = False, "nonsense"
        with pytest.raises(PeerError, match="jwks_unreadable"):
            await fetch_key_set(server.url)
        server.is_silent = True
        with pytest.raises(UnavailableError, match="too slow"):
            await fetch_key_set(server.url, deadline_s=0.05)
    with pytest.raises(UnavailableError, match="jwks_unreachable"):
        await fetch_key_set(server.url)


def resolving(*addresses: str) -> Callable[..., Awaitable[list[tuple[int, int, int, str, tuple[str, int]]]]]:
    async def resolve(_: str, port: int, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        await asyncio.sleep(0)
        return [(2, 1, 6, "", (one, port)) for one in addresses]

    return resolve


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("https://id.example/", ["169.254.169.254"]),
        ("https://id.example/", ["192.0.2.1", "169.254.169.254"]),
        ("https://id.example/", ["fe80::1"]),
        ("https://id.example/", ["::ffff:169.254.169.254"]),
        ("http://localhost/", ["192.0.2.1"]),
        ("https://id.example/", []),
    ],
)
async def test_a_name_that_leads_where_nobody_calls_is_refused(
    url: str, addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """GW-904: judged by every address that the name has, before a connection is made."""
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolving(*addresses))
    with pytest.raises(UnavailableError, match="destination_refused"):
        await fetch_key_set(url)


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server's and a client's context of a fresh certificate for localhost."""
    key, name = ec_key("tls"), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=365 * 100))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "both.pem").write_bytes(private + made)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "both.pem")
    return server, ssl.create_default_context(cadata=made.decode())


async def test_tls_is_checked_against_the_name(tmp_path: Path) -> None:
    """GW-433: https with a trusted certificate; an unknown one is no answer."""
    server_side, client_side = certificate(tmp_path)
    async with key_server(b"{}", server_side) as server:
        assert await fetch_key_set(server.url, client_side) == b"{}"
        with pytest.raises(UnavailableError, match="jwks_unreachable"):
            await fetch_key_set(server.url)
        with pytest.raises(UnavailableError, match="jwks_unreachable"):
            await fetch_key_set(server.url.replace("localhost", "127.0.0.1"), client_side)
