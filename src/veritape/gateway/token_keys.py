"""Keys that verify tokens: from a shared secret, a PEM file, or a JWK set, with their least strength (GW-431 to 433)."""

import json
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, RSAKey

from veritape.gateway.tokens import Algorithm, Key, TokenReason, decode_segment
from veritape.kernel.errors import PeerError

SECRET_BYTES: Final = 32
"""Least bytes of a shared secret: as many as the HMAC gives (RFC 7518, section 3.2)."""

RSA_BITS: Final = 2_048
"""Least bits of an RSA modulus."""

SET_LIMIT_BYTES: Final = 65_536
"""Largest JWK set."""

SET_LIMIT_KEYS: Final = 32
"""Most keys in a set."""

Keys = Mapping[str, Key | TokenReason]
"""Key id -> key, or why it is not used; the id is empty where a key has none."""

_TYPES: Final = {Algorithm.RS256: "RSA", Algorithm.ES256: "EC"}


def secret_key(octets: bytes) -> Key:
    """Return the key of HS256.

    Raises:
        ValueError: the secret is too short, or a public key that everybody has.
    """
    if len(octets) < SECRET_BYTES:
        raise ValueError(f"secret_short: {len(octets)} bytes, {SECRET_BYTES} are needed")
    if octets.lstrip().startswith((b"-----BEGIN", b"ssh-")):
        raise ValueError("secret_is_a_key: the secret of HS256 is random bytes, not a key pair's file")
    return OctKey.import_key(octets)


def pem_key(octets: bytes, algorithm: Algorithm) -> Key:
    """Return the public key of a PEM file.

    Raises:
        ValueError: no public key, of another kind than the algorithm's, or too weak.
    """
    try:
        found = load_pem_public_key(octets)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("pem_unreadable: a public key in PEM is needed") from error
    if algorithm is Algorithm.RS256 and isinstance(found, RSAPublicKey):
        if found.key_size < RSA_BITS:
            raise ValueError(f"{TokenReason.WEAK_KEY}: {found.key_size} bits, {RSA_BITS} are needed")
        return RSAKey.import_key(octets)
    if algorithm is Algorithm.ES256 and isinstance(found, EllipticCurvePublicKey):
        if not isinstance(found.curve, SECP256R1):
            raise ValueError(f"{TokenReason.WEAK_KEY}: the curve is {found.curve.name}, P-256 is needed")
        return ECKey.import_key(octets)
    raise ValueError(f"pem_of_another_kind: a key for {algorithm} is needed")


def read_key_set(octets: bytes, algorithm: Algorithm) -> Keys:
    """Return the keys of a JWK set that could verify an issuer's tokens; keys for other uses are left out.

    Example, shortened: ``{"keys": [{"kty": "RSA", "use": "sig", "kid": "2026-11", "n": "0vx7…", "e": "AQAB"}]}``

    Raises:
        PeerError: no JWK set, above 64 KiB, above 32 keys, or two keys of one id.
    """
    if len(octets) > SET_LIMIT_BYTES:
        raise PeerError(f"the JWK set is above {SET_LIMIT_BYTES} bytes")
    try:
        document = json.loads(octets)
    except (ValueError, RecursionError) as error:
        raise PeerError("the JWK set is no JSON") from error
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise PeerError("the JWK set has no list of keys")
    if len(listed) > SET_LIMIT_KEYS:
        raise PeerError(f"the JWK set has {len(listed)} keys, {SET_LIMIT_KEYS} at most are read")
    keys: dict[str, Key | TokenReason] = {}
    for one in listed:
        name = one.get("kid", "")
        if not _is_for(one, algorithm) or not isinstance(name, str):
            continue
        if name in keys:
            raise PeerError("the JWK set has two keys of one id")
        keys[name] = _read_jwk(one, algorithm)
    return keys


def _is_for(jwk: Mapping[str, Any], algorithm: Algorithm) -> bool:
    """Tell whether a key could verify with an algorithm: its kind, and what it says of its use."""
    operations = jwk.get("key_ops", ["verify"])
    return (
        jwk.get("kty") == _TYPES.get(algorithm)
        and jwk.get("use", "sig") == "sig"
        and jwk.get("alg", algorithm) == algorithm
        and isinstance(operations, list)
        and "verify" in operations
    )


def _read_jwk(jwk: Mapping[str, Any], algorithm: Algorithm) -> Key | TokenReason:
    """Return the public part of a key, or why it is not used."""
    try:
        return _read_rsa(jwk) if algorithm is Algorithm.RS256 else _read_ec(jwk)
    except (JoseError, ValueError):
        return TokenReason.UNKNOWN_KEY


def _read_rsa(jwk: Mapping[str, Any]) -> Key | TokenReason:
    modulus, exponent = _text(jwk, "n"), _text(jwk, "e")
    if int.from_bytes(decode_segment(modulus)).bit_length() < RSA_BITS:
        return TokenReason.WEAK_KEY
    key = RSAKey.import_key({"kty": "RSA", "n": modulus, "e": exponent})
    key.public_key  # noqa: B018 - reads the numbers now, not at the first token
    return key


def _read_ec(jwk: Mapping[str, Any]) -> Key | TokenReason:
    if jwk.get("crv") != "P-256":
        return TokenReason.WEAK_KEY
    return ECKey.import_key({"kty": "EC", "crv": "P-256", "x": _text(jwk, "x"), "y": _text(jwk, "y")})


def _text(jwk: Mapping[str, Any], member: str) -> str:
    value = jwk.get(member)
    if not isinstance(value, str):
        raise ValueError(f"{member} is no text")  # noqa: TRY004 - what came from outside is a value, not a type
    return value
