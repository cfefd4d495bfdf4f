"""JSON Web Tokens: read strictly, refused with a reason, believed only after their signature (GW-431, GW-432).

Three steps, so that nothing of a token is acted on too early. ``read_token`` takes the text apart; from it only the
algorithm, the key id and the issuer are used, to find *our* key for *that* issuer. ``is_signed_by`` asks joserfc for the
signature, with the issuer's one algorithm. ``judge`` then looks at the claims. Keys that a token brings along or points to
(``jwk``, ``jku``, ``x5c``, ``x5u``) are never looked at: whoever signs could name their own.

*Source*: RFC 7515, RFC 7519, RFC 8725 (best current practices: sections 2.1 algorithms, 2.8 cross-JWT confusion, 3).
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple, NoReturn

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, RSAKey

from veritape.kernel.errors import PeerError

TOKEN_LIMIT_BYTES: Final = 4_096
"""Longest token."""

ACCOUNT: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What an account's id looks like; a claim that names one must look so too."""

Key = OctKey | RSAKey | ECKey
"""A key that verifies."""

_SEGMENT: Final = re.compile(r"[A-Za-z0-9_-]*")
_SEGMENTS: Final = 3
_ENCRYPTED_SEGMENTS: Final = 5


class Algorithm(StrEnum):
    """Signature algorithms; an issuer has exactly one."""

    HS256 = "HS256"
    """HMAC with SHA-256 and a shared secret."""
    RS256 = "RS256"
    """RSA with SHA-256, at least 2,048 bits."""
    ES256 = "ES256"
    """ECDSA on P-256 with SHA-256."""


class TokenReason(StrEnum):
    """Why a token is refused; the problem's detail names it."""

    TOO_LONG = "too_long"
    """Above 4,096 bytes."""
    NOT_A_TOKEN = "not_a_token"  # noqa: S105 - a reason
    """Not three segments of base64url with JSON objects inside."""
    ENCRYPTED = "encrypted"
    """Five segments: a JWE."""
    NESTED = "nested"
    """Its content is another token."""
    DUPLICATE_MEMBER = "duplicate_member"
    """A JSON member stands twice: two readers could see two tokens."""
    CRITICAL_HEADER = "critical_header"
    """It demands extensions (``crit``, ``b64``); none is known."""
    WRONG_ISSUER = "wrong_issuer"
    """``iss`` is missing or of nobody that the policy names."""
    WRONG_ALGORITHM = "wrong_algorithm"
    """``alg`` is not the issuer's."""
    UNKNOWN_KEY = "unknown_key"
    """The issuer has no key with this ``kid``."""
    WEAK_KEY = "weak_key"
    """The issuer's key is RSA below 2,048 bits or not on P-256."""
    BAD_SIGNATURE = "bad_signature"
    """The signature is not the issuer's."""
    WRONG_EXPIRY = "wrong_expiry"
    """``exp`` is missing or no number."""
    EXPIRED = "expired"
    """Its time is over."""
    NOT_YET_VALID = "not_yet_valid"
    """``nbf`` or ``iat`` lies in the future or is no number."""
    LIVES_TOO_LONG = "lives_too_long"
    """It is valid for longer than the issuer's tokens may be."""
    WRONG_AUDIENCE = "wrong_audience"
    """``aud`` is missing or somebody else's."""
    WRONG_SUBJECT = "wrong_subject"
    """The claim that names the account is missing, malformed or names none."""
    WRONG_TIER = "wrong_tier"
    """The claim that names the tier names none of the policy."""
    WRONG_SCOPE = "wrong_scope"
    """The claim that holds the scopes is neither text nor a list of texts."""
    REVOKED = "revoked"
    """Its ``jti`` was revoked."""


class TokenRefusedError(PeerError):
    """A token is not believed."""

    def __init__(self, reason: TokenReason) -> None:
        super().__init__(f"the token is refused: {reason}", reason)
        self.token_reason: Final = reason


class TokenIssuer(NamedTuple):
    """Whose tokens are believed, and what is read from them."""

    issuer: str
    """``iss``."""
    audience: str
    """What ``aud`` must hold."""
    algorithm: Algorithm
    source: str
    """Where the key is: ``secret_env``, ``secret_file``, ``pem_file``, ``jwks_url``; empty: the setting ``jwt.secret_file``."""
    place: str
    """Name of the variable, path or address."""
    account_claim: str = "sub"
    tier_claim: str = ""
    """Claim that may set the tier; empty: the account's."""
    scope_claim: str = ""
    """Claim that holds the scopes; empty: the token has none."""
    leeway_s: int = 30
    """Seconds by which clocks may differ."""
    max_age_s: int = 86_400
    """Longest that a token may be valid."""


class UnprovenToken(NamedTuple):
    """A token taken apart; nothing in it is proven."""

    text: str
    algorithm: str
    key_id: str | None
    issuer: str
    claims: Mapping[str, Any]


class Token(NamedTuple):
    """What a verified token says."""

    issuer: str
    account: str
    tier: str
    """Empty: the account's."""
    scopes: frozenset[str]
    jti: str
    """Its own name, empty when it has none and cannot be revoked."""
    expires_s: int
    """Wall clock, Unix seconds, leeway included."""


def read_token(text: str) -> UnprovenToken:
    """Take a token apart.

    Example, shortened: ``eyJhbGciOiJFUzI1NiIsImtpZCI6ImEifQ.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJzdWIiOiJhY21lIn0.TWFu…``

    Raises:
        TokenRefusedError: it is no token that could be believed.
    """
    if len(text) > TOKEN_LIMIT_BYTES:
        raise TokenRefusedError(TokenReason.TOO_LONG)
    segments = text.split(".")
    if len(segments) != _SEGMENTS:
        is_encrypted = len(segments) == _ENCRYPTED_SEGMENTS
        raise TokenRefusedError(TokenReason.ENCRYPTED if is_encrypted else TokenReason.NOT_A_TOKEN)
    try:
        header, claims = _read_object(segments[0]), _read_object(segments[1])
        decode_segment(segments[2])
    except (ValueError, RecursionError) as error:
        raise TokenRefusedError(TokenReason.NOT_A_TOKEN) from error
    _check_header(header)
    issuer = claims.get("iss")
    if not isinstance(issuer, str):
        raise TokenRefusedError(TokenReason.WRONG_ISSUER)
    return UnprovenToken(text, str(header.get("alg", "")), header.get("kid"), issuer, claims)


def is_signed_by(token: UnprovenToken, key: Key, algorithm: Algorithm) -> bool:
    """Tell whether a token's signature was made with a key by the issuer's algorithm."""
    try:
        jws.deserialize_compact(token.text, key, registry=_REGISTRIES[algorithm])
    except (JoseError, ValueError):
        return False
    return True


def judge(token: UnprovenToken, issuer: TokenIssuer, tiers: Mapping[str, object], wall_s: int) -> Token:
    """Look at the claims of a token whose signature is the issuer's.

    Args:
        token: the token.
        issuer: who signed it.
        tiers: the policy's.
        wall_s: wall clock, Unix seconds.

    Raises:
        TokenRefusedError: a claim is missing or wrong.
    """
    claims = token.claims
    expires_s = _check_time(claims, issuer, wall_s)
    audience = claims.get("aud")
    if audience != issuer.audience and not (isinstance(audience, list) and issuer.audience in audience):
        raise TokenRefusedError(TokenReason.WRONG_AUDIENCE)
    account, jti = claims.get(issuer.account_claim), claims.get("jti")
    if not isinstance(account, str) or not ACCOUNT.fullmatch(account):
        raise TokenRefusedError(TokenReason.WRONG_SUBJECT)
    tier = claims.get(issuer.tier_claim, "") if issuer.tier_claim else ""
    if not isinstance(tier, str) or (tier and tier not in tiers):
        raise TokenRefusedError(TokenReason.WRONG_TIER)
    scopes = _scopes(claims.get(issuer.scope_claim, "") if issuer.scope_claim else "")
    name = jti if isinstance(jti, str) else ""
    return Token(issuer.issuer, account, tier, scopes, name, expires_s + issuer.leeway_s)


def _check_header(header: Mapping[str, Any]) -> None:
    if "crit" in header or "b64" in header:
        raise TokenRefusedError(TokenReason.CRITICAL_HEADER)
    if "cty" in header:
        raise TokenRefusedError(TokenReason.NESTED)
    if not isinstance(header.get("kid", ""), str):
        raise TokenRefusedError(TokenReason.UNKNOWN_KEY)


def _read_object(segment: str) -> dict[str, Any]:
    value = json.loads(decode_segment(segment), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004 - what came from outside is a value, not a type
    return value


def decode_segment(segment: str) -> bytes:
    """Decode base64url without padding; a segment that could be written otherwise is refused.

    Raises:
        ValueError: it is not of that form.
    """
    if not segment or not _SEGMENT.fullmatch(segment):
        raise ValueError("no base64url")
    try:
        octets = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error as error:
        raise ValueError("no base64url") from error
    if base64.urlsafe_b64encode(octets).rstrip(b"=").decode() != segment:
        raise ValueError("not the one form")
    return octets


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise TokenRefusedError(TokenReason.DUPLICATE_MEMBER)
    return values


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _moment(value: object) -> int | None:
    """Return a NumericDate in whole seconds, None when it is none."""
    if isinstance(value, float) and math.isfinite(value):
        return math.floor(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _check_time(claims: Mapping[str, Any], issuer: TokenIssuer, wall_s: int) -> int:
    """Return when a token ends, without leeway, once its times are right."""
    expires_s = _moment(claims.get("exp"))
    if expires_s is None:
        raise TokenRefusedError(TokenReason.WRONG_EXPIRY)
    if wall_s >= expires_s + issuer.leeway_s:
        raise TokenRefusedError(TokenReason.EXPIRED)
    for name in ("nbf", "iat"):
        moment_s = _moment(claims.get(name, 0))
        if moment_s is None or moment_s > wall_s + issuer.leeway_s:
            raise TokenRefusedError(TokenReason.NOT_YET_VALID)
    begins_s = _moment(claims.get("iat", wall_s)) or 0
    if expires_s - begins_s > issuer.max_age_s:
        raise TokenRefusedError(TokenReason.LIVES_TOO_LONG)
    return expires_s


def _scopes(value: object) -> frozenset[str]:
    """Return the scopes of a claim: words of a text (RFC 8693) or a list of texts."""
    if isinstance(value, str):
        return frozenset(value.split())
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return frozenset(value)
    raise TokenRefusedError(TokenReason.WRONG_SCOPE)


class _Registry(jws.JWSRegistry):
    """joserfc's rules, with our bound on the whole token in place of its own on the header."""

    max_header_length = TOKEN_LIMIT_BYTES


_REGISTRIES: Final = {
    algorithm: _Registry(algorithms=[algorithm.value], strict_check_header=False) for algorithm in Algorithm
}
"""What joserfc may accept for an issuer: its one algorithm, and any header member that is not acted on."""
