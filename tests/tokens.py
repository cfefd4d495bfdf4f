"""Tokens for tests: keys of every kind, made once, and texts signed by them or forged."""

import base64
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER, AUDIENCE = "https://id.example", "veritape"
SECRET = b"a secret of HS256 with 32 bytes or more"
WALL_S = 1_795_187_045
"""2026-11-20T15:04:05Z."""

SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | bytes


def rsa_key(name: str = "a", bits: int = 2_048) -> rsa.RSAPrivateKey:
    """Return an RSA key, the same for each name."""
    return _rsa_key(name, bits)


def ec_key(name: str = "a", *, p256: bool = True) -> ec.EllipticCurvePrivateKey:
    """Return an EC key, the same for each name."""
    return _ec_key(name, p256)


@lru_cache
def _rsa_key(_: str, bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, bits)


@lru_cache
def _ec_key(_: str, p256: bool) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1() if p256 else ec.SECP384R1())


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """Return a public key's PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def jwk(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, name: str, **members: Any) -> dict[str, Any]:
    """Return a public key as a JWK."""
    numbers = key.public_key().public_numbers()
    if isinstance(numbers, rsa.RSAPublicNumbers):
        kind = {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
    else:
        bits = key.key_size
        curve = {"kty": "EC", "crv": f"P-{bits}"}
        kind = curve | {axis: _number(getattr(numbers, axis), bits // 8) for axis in "xy"}
    return {"kid": name, "use": "sig", **kind, **members}


def key_set(*keys: Mapping[str, Any]) -> bytes:
    """Return a JWK set's bytes."""
    return json.dumps({"keys": keys}).encode()


def claims(**changes: Any) -> dict[str, Any]:
    """Return claims that are accepted at ``WALL_S``; a change to None leaves a claim out."""
    good = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "acme", "iat": WALL_S, "exp": WALL_S + 600, "scope": "trades:read", "jti": "j1",
    }  # fmt: skip
    return {name: value for name, value in (good | changes).items() if value is not None}


def encoded(octets: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def signed(key: SigningKey, body: Mapping[str, Any] | bytes, header: Mapping[str, Any] | bytes) -> str:
    """Return a token signed by the kind of the key, whatever its header says."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, body)]
    text = ".".join(map(encoded, parts))
    return f"{text}.{encoded(_signature(key, text.encode()))}"


def hs256(body: Mapping[str, Any] | None = None, secret: bytes = SECRET, **header: Any) -> str:
    """Return a token signed with a shared secret."""
    return signed(secret, claims() if body is None else body, {"alg": "HS256", "typ": "JWT", **header})


def rs256(name: str = "a", body: Mapping[str, Any] | None = None, **header: Any) -> str:
    """Return a token signed by an RSA key."""
    return signed(rsa_key(name), claims() if body is None else body, {"alg": "RS256", "kid": name, **header})


def es256(name: str = "a", body: Mapping[str, Any] | None = None, **header: Any) -> str:
    """Return a token signed by an EC key."""
    return signed(ec_key(name), claims() if body is None else body, {"alg": "ES256", "kid": name, **header})


def _signature(key: SigningKey, octets: bytes) -> bytes:
    if isinstance(key, bytes):
        mac = hmac.HMAC(key, hashes.SHA256())
        mac.update(octets)
        return mac.finalize()
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(octets, padding.PKCS1v15(), hashes.SHA256())
    size = key.key_size // 8
    digest = hashes.SHA256() if key.key_size == 256 else hashes.SHA384()
    pair = decode_dss_signature(key.sign(octets, ec.ECDSA(digest)))
    return b"".join(number.to_bytes(size) for number in pair)


def _number(value: int, size: int | None = None) -> str:
    return encoded(value.to_bytes(size or (value.bit_length() + 7) // 8))
