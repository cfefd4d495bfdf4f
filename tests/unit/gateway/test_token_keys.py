"""Keys that verify tokens."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tokens import SECRET, ec_key, jwk, key_set, pem, rsa_key

from veritape.gateway.token_keys import SECRET_BYTES, pem_key, read_key_set, secret_key
from veritape.gateway.tokens import Algorithm, TokenReason
from veritape.kernel.errors import PeerError

RS, ES = Algorithm.RS256, Algorithm.ES256


def test_a_secret_has_32_bytes_and_is_no_public_key() -> None:
    """GW-431, GW-432: shorter ones, and a PEM that everybody has, are refused."""
    secret_key(b"x" * SECRET_BYTES)
    with pytest.raises(ValueError, match="secret_short: 31 bytes, 32 are needed"):
        secret_key(b"x" * 31)
    with pytest.raises(ValueError, match="secret_is_a_key"):
        secret_key(pem(rsa_key()))


def test_a_pem_is_of_the_algorithms_kind_and_strength() -> None:
    """GW-431, GW-432: RSA from 2,048 bits, P-256 alone."""
    pem_key(pem(rsa_key()), RS)
    pem_key(pem(ec_key()), ES)
    for octets, algorithm, match in (
        (pem(rsa_key("weak", 1_024)), RS, "weak_key: 1024 bits"),
        (pem(ec_key("p384", p256=False)), ES, "weak_key: the curve is secp384r1"),
        (pem(rsa_key()), ES, "pem_of_another_kind"),
        (pem(ec_key()), RS, "pem_of_another_kind"),
        (b"-----BEGIN NOTHING-----", RS, "pem_unreadable"),
        (SECRET, RS, "pem_unreadable"),
    ):
        with pytest.raises(ValueError, match=match):
            pem_key(octets, algorithm)


def test_a_set_gives_the_keys_of_the_algorithm() -> None:
    """GW-433: keys for other kinds and uses are left out; weak and broken ones are named as such."""
    broken: dict[str, Any] = {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}
    octets = key_set(
        jwk(rsa_key(), "r1"),
        jwk(rsa_key("b"), "r2", alg="RS256", key_ops=["verify"]),
        jwk(rsa_key("weak", 1_024), "weak"),
        jwk(rsa_key(), "encrypts", use="enc"),
        jwk(rsa_key(), "other", alg="RS512"),
        jwk(rsa_key(), "signs", key_ops=["sign"]),
        jwk(rsa_key(), "odd", key_ops="verify"),
        {**jwk(rsa_key(), "x"), "kid": 7},
        {"kty": "RSA", "kid": "no n", "e": "AQAB"},
        {"kty": "oct", "k": "AA", "kid": "oct"},
        jwk(ec_key(), "e1"),
        jwk(ec_key("p384", p256=False), "e2"),
        {**broken, "kid": "off the curve"},
        {**jwk(ec_key(), "e3"), "x": 7},
    )
    rsa_keys, ec_keys = read_key_set(octets, RS), read_key_set(octets, ES)
    assert list(rsa_keys) == ["r1", "r2", "weak", "no n"]
    assert rsa_keys["weak"] is TokenReason.WEAK_KEY
    assert rsa_keys["no n"] is TokenReason.UNKNOWN_KEY
    assert list(ec_keys) == ["e1", "e2", "off the curve", "e3"]
    assert ec_keys["e2"] is TokenReason.WEAK_KEY
    assert ec_keys["off the curve"] is TokenReason.UNKNOWN_KEY
    assert ec_keys["e3"] is TokenReason.UNKNOWN_KEY


@pytest.mark.parametrize(
    ("octets", "match"),
    [
        (b"{", "no JSON"),
        (b"[" * 60_000, "no JSON"),
        (b"\xff", "no JSON"),
        (b"[]", "no list of keys"),
        (b'{"keys": {}}', "no list of keys"),
        (b'{"keys": [1]}', "no list of keys"),
        (key_set(*[jwk(ec_key(), str(number)) for number in range(33)]), "33 keys, 32 at most"),
        (key_set(jwk(ec_key(), "a"), jwk(ec_key("b"), "a")), "two keys of one id"),
        (b" " * 65_537, "above 65536 bytes"),
    ],
)
def test_a_bad_set_is_refused_as_a_whole(octets: bytes, match: str) -> None:
    """GW-433: at most 64 KiB and 32 keys, each id once."""
    with pytest.raises(PeerError, match=match):
        read_key_set(octets, ES)


def test_the_largest_set_is_read() -> None:
    """GW-433: 32 keys."""
    assert len(read_key_set(key_set(*[jwk(ec_key(), str(number)) for number in range(32)]), ES)) == 32


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_set_or_refused(octets: bytes) -> None:
    """GW-433, GW-973: reading is total."""
    try:
        read_key_set(octets, RS)
    except PeerError:
        return


@given(st.dictionaries(st.sampled_from(["kty", "n", "e", "crv", "x", "y", "kid", "use", "alg", "key_ops"]),
                       st.none() | st.integers() | st.sampled_from(["RSA", "EC", "P-256", "AQAB", "_" * 400, "sig"]) | st.text(max_size=9)))  # fmt: skip
def test_any_members_are_a_key_or_left_out(members: dict[str, Any]) -> None:
    """GW-433, GW-973: a hostile key harms nobody."""
    for algorithm in (RS, ES):
        read_key_set(key_set(members), algorithm)
