"""A certificate authority that lives as long as one replay (KIS-203).

Both keys are made at start and stay in memory: the server's pair passes to the TLS library through an anonymous memory
file, because that library reads files only. What leaves the process is the authority's certificate.
"""

import os
import ssl
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from veritape.kernel.clock import NANOSECONDS
from veritape.wire.kis.hosts import PAPER, REAL

LIFE: Final = timedelta(days=397)
"""Longest life that TLS clients accept from a server certificate."""

EARLY: Final = timedelta(days=1)
"""How long before its making a certificate is valid: clocks differ."""

NAMES: Final = (REAL.rest[0], PAPER.rest[0])
"""Names that the server certificate is good for."""


def certify(now_ns: int) -> tuple[ssl.SSLContext, bytes]:
    """Make an authority and a server certificate signed by it.

    Args:
        now_ns: wall clock, nanoseconds UTC.

    Returns:
        The server's TLS context and the authority's certificate as PEM.
    """
    now = datetime.fromtimestamp(now_ns // NANOSECONDS, UTC)
    authority_key, server_key = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    issuer = _name("veritape replay authority")
    authority = _authority(issuer, authority_key.public_key(), now).sign(authority_key, hashes.SHA256())
    server = _server(issuer, server_key.public_key(), authority_key.public_key(), now)
    signed = server.sign(authority_key, hashes.SHA256())
    return _context(signed, server_key), authority.public_bytes(serialization.Encoding.PEM)


def _authority(name: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        _certificate(name, name, key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _server(
    issuer: x509.Name, key: ec.EllipticCurvePublicKey, issuer_key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        _certificate(_name(NAMES[0]), issuer, key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in NAMES]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLY)
        .not_valid_after(now - EARLY + LIFE)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _context(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> ssl.SSLContext:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    descriptor = os.memfd_create("veritape-replay-tls", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "wb") as memory:
        memory.write(private + certificate.public_bytes(serialization.Encoding.PEM))
        memory.flush()
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    return context
