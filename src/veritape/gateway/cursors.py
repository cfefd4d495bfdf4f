"""Cursors: where the next page begins, signed and bound to the query (GW-741).

Opaque text for callers; inside, base64url of a 16-byte tag and the position as canonical JSON. A cursor that was changed,
or that belongs to another query, is a bad parameter.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from veritape.kernel.canonical import canonical_json, parse_canonical_json
from veritape.kernel.errors import PeerError

CURSOR_LIMIT: Final = 256
"""Longest cursor, characters."""

TAG_BYTES: Final = 16
"""Bytes of the signature."""

Position = tuple[str, int]
"""Name of the place (a segment, an interval) and index in it."""


class BadCursorError(ValueError):
    """A cursor was changed or belongs to another query."""


def cursor_key(pepper: bytes) -> bytes:
    """Return the key that signs cursors."""
    return hmac.digest(pepper, b"cursor", hashlib.sha256)


def write_cursor(key: bytes, path: str, query: Mapping[str, str], position: Position) -> str:
    """Return the cursor of a position; ``query`` is without the cursor itself."""
    payload = canonical_json(list(position))
    return base64.urlsafe_b64encode(_tag(key, path, query, payload) + payload).decode().rstrip("=")


def read_cursor(key: bytes, path: str, query: Mapping[str, str], cursor: str) -> Position:
    """Return the position of a cursor.

    Raises:
        BadCursorError: it is none of ours for this query.
    """
    if len(cursor) > CURSOR_LIMIT:
        raise BadCursorError("too long")
    try:
        octets = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadCursorError("not base64url") from error
    tag, payload = octets[:TAG_BYTES], octets[TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(key, path, query, payload)):
        raise BadCursorError("not signed for this query")
    try:
        match parse_canonical_json(payload):
            case [str(name), int(index)]:
                return name, index
    except PeerError as error:
        raise BadCursorError("not a position") from error
    raise BadCursorError("not a position")


def _tag(key: bytes, path: str, query: Mapping[str, str], payload: bytes) -> bytes:
    bound = canonical_json([path, {name: value for name, value in query.items() if name != "cursor"}])
    return hmac.digest(key, hashlib.sha256(bound).digest() + payload, hashlib.sha256)[:TAG_BYTES]
