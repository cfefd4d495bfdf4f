"""Tokens: three algorithms accepted, everything else refused with its reason."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import tokens as made
from tests.tokens import (
    AUDIENCE,
    ISSUER,
    SECRET,
    WALL_S,
    claims,
    ec_key,
    encoded,
    hs256,
    pem,
    rsa_key,
    signed,
)

from veritape.gateway.token_keys import pem_key, secret_key
from veritape.gateway.tokens import (
    Algorithm,
    Key,
    Token,
    TokenIssuer,
    TokenReason,
    TokenRefusedError,
    is_signed_by,
    judge,
    read_token,
)

HS = TokenIssuer(ISSUER, AUDIENCE, Algorithm.HS256, "", "", scope_claim="scope")
TIERS = {"free": 1, "pro": 1}
KEYS: dict[Algorithm, Key] = {
    Algorithm.HS256: secret_key(SECRET),
    Algorithm.RS256: pem_key(pem(rsa_key()), Algorithm.RS256),
    Algorithm.ES256: pem_key(pem(ec_key()), Algorithm.ES256),
}
HEADER = {"alg": "HS256"}


def verified(text: str, issuer: TokenIssuer = HS, wall_s: int = WALL_S) -> Token:
    """Do what a worker does with a token of a known issuer."""
    token = read_token(text)
    if token.algorithm != issuer.algorithm:
        raise TokenRefusedError(TokenReason.WRONG_ALGORITHM)
    if not is_signed_by(token, KEYS[issuer.algorithm], issuer.algorithm):
        raise TokenRefusedError(TokenReason.BAD_SIGNATURE)
    return judge(token, issuer, TIERS, wall_s)


def refused(text: str, issuer: TokenIssuer = HS, wall_s: int = WALL_S) -> TokenReason:
    with pytest.raises(TokenRefusedError) as caught:
        verified(text, issuer, wall_s)
    return caught.value.token_reason


@pytest.mark.parametrize(
    ("algorithm", "text"),
    [
        (Algorithm.HS256, made.hs256()),
        (Algorithm.RS256, made.rs256()),
        (Algorithm.ES256, made.es256()),
    ],
)
def test_three_algorithms_are_accepted(algorithm: Algorithm, text: str) -> None:
    """GW-431, GW-970: HS256, RS256 and ES256, each by its issuer alone; a changed byte breaks each signature."""
    issuer = HS._replace(algorithm=algorithm)
    expected = Token(ISSUER, "acme", "", frozenset({"trades:read"}), "j1", WALL_S + 630)
    assert verified(text, issuer) == expected
    head, body, signature = text.split(".")
    other = encoded(json.dumps(claims(sub="other")).encode())
    assert refused(f"{head}.{other}.{signature}", issuer) is TokenReason.BAD_SIGNATURE
    assert refused(f"{head}.{body}.{signature[:-6]}AAAAAA", issuer) is TokenReason.BAD_SIGNATURE
    for wrong in set(Algorithm) - {algorithm}:
        assert refused(text, issuer._replace(algorithm=wrong)) is TokenReason.WRONG_ALGORITHM


PUBLIC_PEM = pem(rsa_key())
ES384 = signed(ec_key("p384", p256=False), claims(), {"alg": "ES384"})
FORMS = [
    # what an attacker tries, the token, the issuer's algorithm, the reason
    ("none", signed(SECRET, claims(), {"alg": "none"}), Algorithm.RS256, TokenReason.WRONG_ALGORITHM),
    ("None", signed(SECRET, claims(), {"alg": "None"}), Algorithm.HS256, TokenReason.WRONG_ALGORITHM),
    ("no alg", signed(SECRET, claims(), {}), Algorithm.HS256, TokenReason.WRONG_ALGORITHM),
    ("alg no text", signed(SECRET, claims(), {"alg": ["HS256"]}), Algorithm.HS256, TokenReason.WRONG_ALGORITHM),
    ("HS256 with the RSA public key", hs256(secret=PUBLIC_PEM), Algorithm.RS256, TokenReason.WRONG_ALGORITHM),
    ("the same, renamed", signed(PUBLIC_PEM, claims(), {"alg": "RS256"}), Algorithm.RS256, TokenReason.BAD_SIGNATURE),
    ("ES384", ES384, Algorithm.ES256, TokenReason.WRONG_ALGORITHM),
    ("HS384", signed(SECRET, claims(), {"alg": "HS384"}), Algorithm.HS256, TokenReason.WRONG_ALGORITHM),
    ("another secret", hs256(secret=b"x" * 32), Algorithm.HS256, TokenReason.BAD_SIGNATURE),
    ("another RSA key", made.rs256("b"), Algorithm.RS256, TokenReason.BAD_SIGNATURE),
    ("another EC key", made.es256("b"), Algorithm.ES256, TokenReason.BAD_SIGNATURE),
    ("crit", hs256(crit=["exp"]), Algorithm.HS256, TokenReason.CRITICAL_HEADER),
    ("unencoded payload", hs256(crit=["b64"], b64=False), Algorithm.HS256, TokenReason.CRITICAL_HEADER),
    ("unencoded payload, not said", hs256(b64=False), Algorithm.HS256, TokenReason.CRITICAL_HEADER),
    ("JWE", "e30.e30.e30.e30.e30", Algorithm.HS256, TokenReason.ENCRYPTED),
    ("nested", hs256(cty="JWT"), Algorithm.HS256, TokenReason.NESTED),
    ("nested text", signed(SECRET, hs256().encode(), HEADER), Algorithm.HS256, TokenReason.NOT_A_TOKEN),
    ("4,097 bytes", hs256(claims(pad="x" * 4_096)), Algorithm.HS256, TokenReason.TOO_LONG),
    ("twice in the header", signed(SECRET, claims(), b'{"alg":"HS256","alg":"HS256"}'), Algorithm.HS256, TokenReason.DUPLICATE_MEMBER),
    ("twice in the claims", signed(SECRET, b'{"sub":"a","sub":"b"}', HEADER), Algorithm.HS256, TokenReason.DUPLICATE_MEMBER),
    ("twice, deep", signed(SECRET, b'{"iss":"x","a":[{"b":1,"b":2}]}', HEADER), Algorithm.HS256, TokenReason.DUPLICATE_MEMBER),
    ("NaN", signed(SECRET, b'{"exp":NaN}', HEADER), Algorithm.HS256, TokenReason.NOT_A_TOKEN),
    ("1,500 levels", signed(SECRET, b'{"a":' + b"[" * 1_500 + b"]" * 1_500 + b"}", HEADER), Algorithm.HS256, TokenReason.NOT_A_TOKEN),
    ("no object", signed(SECRET, b"[]", HEADER), Algorithm.HS256, TokenReason.NOT_A_TOKEN),
    ("not UTF-8", signed(SECRET, b'{"iss":"\xff"}', HEADER), Algorithm.HS256, TokenReason.NOT_A_TOKEN),
    ("two segments", "e30.e30", Algorithm.HS256, TokenReason.NOT_A_TOKEN),
    ("no signature", hs256().rpartition(".")[0] + ".", Algorithm.HS256, TokenReason.NOT_A_TOKEN),
    ("padding", hs256() + "=", Algorithm.HS256, TokenReason.NOT_A_TOKEN),
    ("other alphabet", hs256()[:-2] + "+/", Algorithm.HS256, TokenReason.NOT_A_TOKEN),
    ("left-over bits", "e31.e30.e30", Algorithm.HS256, TokenReason.NOT_A_TOKEN),
    ("a segment of five", "e30aa.e30.e30", Algorithm.HS256, TokenReason.NOT_A_TOKEN),
    ("kid no text", hs256(kid=7), Algorithm.HS256, TokenReason.UNKNOWN_KEY),
    ("no iss", hs256(claims(iss=None)), Algorithm.HS256, TokenReason.WRONG_ISSUER),
    ("iss a list", hs256(claims(iss=[ISSUER])), Algorithm.HS256, TokenReason.WRONG_ISSUER),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "algorithm", "reason"), [row[1:] for row in FORMS], ids=[row[0] for row in FORMS]
)
def test_each_bad_form_has_its_reason(text: str, algorithm: Algorithm, reason: TokenReason) -> None:
    """GW-432, GW-970: algorithm, form, size, duplicate members, ``crit``, JWE, nesting: refused, each with its reason."""
    assert refused(text, HS._replace(algorithm=algorithm)) is reason


CLAIMS: list[tuple[dict[str, Any], TokenReason]] = [
    ({"exp": None}, TokenReason.WRONG_EXPIRY),
    ({"exp": str(WALL_S)}, TokenReason.WRONG_EXPIRY),
    ({"exp": True}, TokenReason.WRONG_EXPIRY),
    ({"exp": WALL_S - 30}, TokenReason.EXPIRED),
    ({"nbf": WALL_S + 31}, TokenReason.NOT_YET_VALID),
    ({"nbf": "soon"}, TokenReason.NOT_YET_VALID),
    ({"iat": WALL_S + 31}, TokenReason.NOT_YET_VALID),
    ({"iat": [WALL_S]}, TokenReason.NOT_YET_VALID),
    ({"exp": WALL_S + 86_401}, TokenReason.LIVES_TOO_LONG),
    ({"iat": WALL_S - 86_000, "exp": WALL_S + 401}, TokenReason.LIVES_TOO_LONG),
    ({"iat": None, "exp": WALL_S + 86_401}, TokenReason.LIVES_TOO_LONG),
    ({"exp": 10**400}, TokenReason.LIVES_TOO_LONG),
    ({"aud": None}, TokenReason.WRONG_AUDIENCE),
    ({"aud": "other"}, TokenReason.WRONG_AUDIENCE),
    ({"aud": []}, TokenReason.WRONG_AUDIENCE),
    ({"aud": ["other"]}, TokenReason.WRONG_AUDIENCE),
    ({"aud": {AUDIENCE: 1}}, TokenReason.WRONG_AUDIENCE),
    ({"sub": None}, TokenReason.WRONG_SUBJECT),
    ({"sub": 7}, TokenReason.WRONG_SUBJECT),
    ({"sub": ""}, TokenReason.WRONG_SUBJECT),
    ({"sub": "acme:test"}, TokenReason.WRONG_SUBJECT),
    ({"sub": "a" * 65}, TokenReason.WRONG_SUBJECT),
    ({"sub": "acme\n"}, TokenReason.WRONG_SUBJECT),
    ({"scope": 7}, TokenReason.WRONG_SCOPE),
    ({"scope": [7]}, TokenReason.WRONG_SCOPE),
]


@pytest.mark.parametrize(("changes", "reason"), CLAIMS, ids=[str(changes)[:40] for changes, _ in CLAIMS])
def test_each_bad_claim_has_its_reason(changes: dict[str, Any], reason: TokenReason) -> None:
    """GW-432, GW-970: missing or wrong exp, aud, subject; future nbf, iat; a life above ``max_age_s``."""
    assert refused(hs256(claims(**changes))) is reason


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": WALL_S - 29},
        {"exp": WALL_S + 86_400},
        {"exp": WALL_S + 0.5},
        {"nbf": WALL_S + 30},
        {"iat": WALL_S + 30, "exp": WALL_S + 40},
        {"iat": None},
        {"aud": ["other", AUDIENCE]},
        {"jti": None},
        {"jti": 7},
        {"scope": None},
        {"scope": ["trades:read", "bars:read"]},
    ],
)
def test_the_edges_are_accepted(changes: dict[str, Any]) -> None:
    """GW-432: the leeway, the longest life and lists are inside."""
    verified(hs256(claims(**changes)))


def test_a_key_that_the_token_brings_is_never_used() -> None:
    """GW-432: ``jwk``, ``jku``, ``x5u`` and ``x5c`` change nothing: the signature must be the issuer's."""
    own: dict[str, Any] = {
        "jwk": made.jwk(rsa_key("evil"), "a"),
        "jku": "https://evil.example",
        "x5u": "https://evil.example",
        "x5c": ["AA"],
    }
    issuer = HS._replace(algorithm=Algorithm.RS256)
    forged = signed(rsa_key("evil"), claims(), {"alg": "RS256", "kid": "a", **own})
    assert refused(forged, issuer) is TokenReason.BAD_SIGNATURE
    assert verified(made.rs256(**own), issuer).account == "acme"


def test_the_tier_is_read_only_where_the_issuer_may_set_it() -> None:
    """GW-419, GW-431: and only to a tier of the policy; the account may stand in another claim."""
    text = hs256(claims(tier="pro", org="bolt"))
    assert verified(text).tier == ""
    trusted = HS._replace(tier_claim="tier", account_claim="org", scope_claim="")
    assert verified(text, trusted) == Token(ISSUER, "bolt", "pro", frozenset(), "j1", WALL_S + 630)
    assert verified(hs256(claims(org="bolt")), trusted).tier == ""
    for tier in ("platinum", 7, None):
        body = claims(org="bolt") | {"tier": tier}
        assert refused(hs256(body), trusted) is TokenReason.WRONG_TIER


@given(st.text(max_size=200))
def test_any_text_is_refused(text: str) -> None:
    """GW-432, GW-973: reading is total."""
    with pytest.raises(TokenRefusedError):
        read_token(text)


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_segments_are_read_or_refused(header: bytes, body: bytes) -> None:
    """GW-432, GW-973: any bytes under a right signature."""
    try:
        verified(signed(SECRET, body, header))
    except TokenRefusedError:
        return


@given(st.dictionaries(st.sampled_from(["exp", "iat", "nbf", "aud", "sub", "scope", "jti"]),
                       st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9)
                       | st.lists(st.text(max_size=4), max_size=3), max_size=4))  # fmt: skip
def test_any_claims_are_judged(changes: dict[str, Any]) -> None:
    """GW-432: any JSON in a claim is accepted or refused; what is accepted is within its time."""
    try:
        token = verified(hs256(claims() | changes))
    except TokenRefusedError:
        return
    assert token.expires_s > WALL_S
    assert token.account
