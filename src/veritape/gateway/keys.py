"""API keys: their shape, what is stored of them, when they serve (GW-401 to 406).

A key is ``vt_<env>_<34 random characters><6 check characters>``; for example
``vt_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWX0mnbB4``. The check (CRC-32) finds typing errors without a look-up and lets
scanners of source code find leaked keys. Stored is HMAC-SHA-256(pepper, key) and never the key; a slow hash would protect
nothing here, for 202 random bits cannot be guessed, and would make every unknown key expensive.
"""

import base64
import hashlib
import hmac
import re
import zlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import unquote

from veritape.gateway.addresses import Address, Network
from veritape.gateway.quota import Limits
from veritape.gateway.reasons import Reason

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""Digits of base 62 in rising order."""

RANDOM_CHARACTERS: Final = 34
"""Random characters of a key: 202 bits."""

CHECK_CHARACTERS: Final = 6
"""Characters of the check: 62^6 is above 2^32."""

SHOWN_CHARACTERS: Final = 6
"""Random characters that lists show: 166 bits stay secret."""

PEPPER_BYTES: Final = 32
"""Least bytes of a pepper."""

KEYS_LIMIT: Final = 20
"""Active keys of one account."""

OVERLAP_LIMIT_S: Final = 30 * 86_400
"""Longest time for which a rotated key goes on serving."""

NEVER_US: Final = 1 << 63
"""Later than every moment."""

KEY_ID: Final = "key_"
"""What a key's id begins with."""

KEY_SCANNER: Final = re.compile(r"\bvt_(?:live|test)_[0-9A-Za-z]{40}\b")
"""Finds keys in logs and sources."""

_KEY: Final = re.compile(r"vt_(live|test)_[0-9A-Za-z]{40}")
_UNBIASED: Final = 248
"""Largest multiple of 62 in a byte: bytes from here on are thrown away, so that every digit is equally likely."""


class Environment(StrEnum):
    """What a key's calls count as."""

    LIVE = "live"
    """Billed."""
    TEST = "test"
    """Limited alike in buckets of its own, never billed."""


class Bearer(NamedTuple):
    """A credential that is no key: a token of some issuer."""

    token: str


class KeyState(StrEnum):
    """Whether a key serves."""

    ACTIVE = "active"
    """It serves."""
    PENDING = "pending"
    """Its time has not begun."""
    EXPIRED = "expired"
    """Its time is over."""
    REVOKED = "revoked"
    """It was revoked, for ever."""


class KeyRecord(NamedTuple):
    """What is stored of a key, with what its account says. Times are wall clock, microseconds UTC; 0 is never."""

    id: str
    account: str
    tier: str
    suspended: bool
    environment: Environment
    shown: str
    """Prefix and first six random characters."""
    scopes: tuple[str, ...]
    label: str
    cidrs: tuple[Network, ...]
    """Addresses that may use it; any when empty."""
    created_us: int
    not_before_us: int
    expires_us: int
    revoked_us: int
    replaced_by: str
    """Id of the key that rotation made, or empty."""
    last_used_us: int
    digest: bytes
    """HMAC-SHA-256(pepper, key)."""
    own_limits: Limits = Limits()
    """Of its account; they go before the tier's."""

    @property
    def subject(self) -> str:
        """Return who is limited."""
        return f"{self.account}:{self.environment}"

    def changes_us(self, wall_us: int) -> int:
        """Return the next moment at which it begins or ceases to serve by itself; a far one if there is none."""
        moments = (self.not_before_us, self.expires_us, self.revoked_us)
        return min((moment for moment in moments if moment > wall_us), default=NEVER_US)

    def state(self, wall_us: int) -> KeyState:
        """Tell whether it serves at a moment."""
        if self.revoked_us and self.revoked_us <= wall_us:
            return KeyState.REVOKED
        if self.expires_us and self.expires_us <= wall_us:
            return KeyState.EXPIRED
        return KeyState.PENDING if wall_us < self.not_before_us else KeyState.ACTIVE


Credential = str | Bearer | Reason | None
"""What a request holds: a key, a token, why neither can be taken, or nothing."""

_STATE_REASONS: Final[Mapping[KeyState, Reason]] = {
    KeyState.PENDING: Reason.EXPIRED_KEY,
    KeyState.EXPIRED: Reason.EXPIRED_KEY,
    KeyState.REVOKED: Reason.REVOKED_KEY,
}
"""Refusal of a key that does not serve."""


def make_key(environment: Environment, random_bytes: bytes) -> str:
    """Return a new key.

    Args:
        environment: live or test.
        random_bytes: at least 64; those above the largest multiple of 62 are skipped.

    Raises:
        ValueError: too few usable random bytes, which happens once in 10^18 for 64.
    """
    digits = [ALPHABET[byte % 62] for byte in random_bytes if byte < _UNBIASED]
    if len(digits) < RANDOM_CHARACTERS:
        raise ValueError("too few random bytes")
    body = f"vt_{environment}_{''.join(digits[:RANDOM_CHARACTERS])}"
    return body + _check(body)


def is_well_formed(key: str) -> bool:
    """Tell whether shape and check are right, without any look-up (GW-402)."""
    return _KEY.fullmatch(key) is not None and _check(key[:-CHECK_CHARACTERS]) == key[-CHECK_CHARACTERS:]


def key_digest(pepper: bytes, key: str) -> bytes:
    """Return what is stored of a key (GW-403)."""
    return hmac.new(
        pepper, key.encode(), hashlib.sha256
    ).digest()  # ``hmac.digest`` hands the interpreter lock over


def pepper_id(pepper: bytes) -> str:
    """Return the name of a pepper: eight hexadecimal digits that tell nothing of it."""
    return hashlib.sha256(b"veritape.pepper.v1\0" + pepper).hexdigest()[:8]


def shown_prefix(key: str) -> str:
    """Return the part of a key that lists show."""
    return key[: len("vt_live_") + SHOWN_CHARACTERS]


def key_id(random_bytes: bytes) -> str:
    """Return a key's id, ``key_`` and 16 characters of base 32, from 10 random bytes."""
    return f"{KEY_ID}{base64.b32encode(random_bytes[:10]).decode().lower()}"


def refusal(record: KeyRecord, wall_us: int, address: Address | None) -> Reason | None:
    """Return why a known key does not serve now and here, None when it does."""
    reason = _STATE_REASONS.get(record.state(wall_us))
    if reason is None and record.suspended:
        reason = Reason.ACCOUNT_SUSPENDED
    if reason is None and record.cidrs and not _is_inside(address, record.cidrs):
        reason = Reason.KEY_NOT_ALLOWED_HERE
    return reason


def find_credential(headers: Sequence[tuple[bytes, bytes]], query: bytes) -> Credential:
    """Return the one credential of a request, a key or a token, why it cannot be taken, or None (GW-406).

    Args:
        headers: lower-case names and values.
        query: the raw query.
    """
    if query and KEY_SCANNER.search(unquote(query.decode("latin-1"))):
        return Reason.KEY_IN_QUERY
    found, is_bearer = [], False
    for name, value in headers:
        if name in {b"x-api-key", b"apikey"}:
            found.append(value.strip())
        elif name == b"authorization":
            scheme, _, token = value.strip().partition(b" ")
            found.append(token.strip() if scheme.lower() == b"bearer" else b"")
            is_bearer = True
    if len(found) > 1:
        return Reason.AMBIGUOUS_CREDENTIALS
    if not found:
        return None
    try:
        text = found[0].decode("ascii")
    except UnicodeDecodeError:
        return Reason.INVALID_KEY
    if is_bearer and "." in text:
        return Bearer(text)
    return text if is_well_formed(text) else Reason.INVALID_KEY


def _is_inside(address: Address | None, networks: Sequence[Network]) -> bool:
    return address is not None and any(
        network.version == address.version and address in network for network in networks
    )


def _check(body: str) -> str:
    value, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECK_CHARACTERS):
        value, digit = divmod(value, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
