"""The authority of one replay."""

import asyncio
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from veritape.kernel.clock import SystemClock
from veritape.replay.adapters import certificates
from veritape.replay.adapters.certificates import NAMES, certify


async def handshake(context: ssl.SSLContext, authority: bytes, name: str) -> str | None:
    """Connect as a client that trusts only the authority; return the TLS version."""
    trust = ssl.create_default_context(cadata=authority.decode())
    trust.verify_flags |= ssl.VERIFY_X509_STRICT
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname=name)
        version: str | None = writer.get_extra_info("ssl_object").version()
        writer.close()
        await writer.wait_closed()
        return version


@pytest.mark.parametrize("name", NAMES)
async def test_both_rest_names_are_verified(name: str) -> None:
    """KIS-203, KIS-014: a strict client that trusts the file's authority accepts both names."""
    context, authority = certify(SystemClock().wall_ns())
    assert await handshake(context, authority, name) in {"TLSv1.2", "TLSv1.3"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_another_name_or_authority_is_not() -> None:
    """KIS-203: the certificate is good for the two REST names and under its own authority only."""
    context, authority = certify(SystemClock().wall_ns())
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        await handshake(context, authority, "ops.koreainvestment.com")
    _, other = certify(SystemClock().wall_ns())
    with pytest.raises(ssl.SSLCertVerificationError):
        await handshake(context, other, NAMES[0])


def test_what_leaves_is_a_certificate_without_a_key() -> None:
    """KIS-203: no key is in the file, and none is written to a disk."""
    _, authority = certify(1_381_104_000 * 10**9)
    certificate = x509.load_pem_x509_certificate(authority)
    assert b"PRIVATE" not in authority
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert (certificate.not_valid_before_utc.year, certificate.not_valid_after_utc.year) == (2013, 2014)
    source = Path(certificates.__file__).read_text()
    assert "memfd_create" in source
    assert "open(" not in source.replace("fdopen(", "")
