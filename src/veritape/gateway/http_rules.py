"""What the HTTP parser leaves open in the head of a request, decided (GW-551, GW-552).

httptools refuses what is no HTTP: two lengths, obsolete folding, bare line feeds, NUL. Whatever else could make two programs
see different requests in the same bytes is refused here, before anything of the request acts.
"""

import re
from typing import Final, NamedTuple

from veritape.gateway.answers import Headers
from veritape.gateway.problems import RefusedError
from veritape.gateway.reasons import Reason

REQUEST_LINE_BYTES: Final = 8_192
"""Longest request line."""

BLOCK_BYTES: Final = 32_768
"""Largest header block."""

FIELD_BYTES: Final = 16_384
"""Largest field, name and value."""

FIELDS: Final = 100
"""Most fields."""

FIELD_EXTRA_BYTES: Final = 4
"""Colon, blank and line end of a field."""

LINE_EXTRA_BYTES: Final = 12
"""Two blanks, ``HTTP/1.1`` and the line end of a request line."""

NEVER_HOP_BY_HOP: Final = frozenset({
    b"content-length", b"transfer-encoding", b"host", b"authorization", b"x-api-key", b"x-request-id", b"forwarded",
    b"x-forwarded-for", b"cache-control", b"expect", b"origin",
})  # fmt: skip
"""Fields that Connection must not name: taking them away would change who asks for what."""

READ: Final = NEVER_HOP_BY_HOP | {
    b"connection", b"upgrade", b"if-none-match", b"content-encoding", b"via", b"access-control-request-method",
}  # fmt: skip
"""Fields that are read here: plain ASCII only."""

_ABSOLUTE: Final = re.compile(rb"(?i:https?)://([^/?#]*)(.*)", re.DOTALL)
_HIGH: Final = re.compile(rb"[\x80-\xff]")


class RequestHead(NamedTuple):
    """The head of a request as the parser found it."""

    method: str
    target: bytes
    version: str
    """``1.0`` or ``1.1``."""
    headers: Headers
    """Lower-case names."""


class RequestTarget(NamedTuple):
    """Where a request leads."""

    path: bytes
    query: bytes


def check_size(target: bytes, headers: Headers, block_bytes: int) -> None:
    """Refuse a head that grows too large; called as it comes in.

    Args:
        target: what came of it.
        headers: complete fields so far.
        block_bytes: their size with line ends.

    Raises:
        RefusedError: ``uri_too_long`` or ``headers_too_large``.
    """
    if len(target) + LINE_EXTRA_BYTES > REQUEST_LINE_BYTES:
        raise RefusedError(Reason.URI_TOO_LONG)
    last = len(headers[-1][0]) + len(headers[-1][1]) if headers else 0
    if block_bytes > BLOCK_BYTES or len(headers) > FIELDS or last > FIELD_BYTES:
        raise RefusedError(Reason.HEADERS_TOO_LARGE)


def check_head(head: RequestHead) -> RequestTarget:
    """Return where a sound request leads.

    Raises:
        RefusedError: the request could be read in two ways.
    """
    if head.version not in {"1.0", "1.1"}:
        raise RefusedError(Reason.BAD_REQUEST, "HTTP/1.1 only")
    found: dict[bytes, list[bytes]] = {}
    for name, value in head.headers:
        found.setdefault(name, []).append(value)
    _check_lengths(head.version, found)
    hosts = found.get(b"host", [])
    if len(hosts) > 1 or (not hosts and head.version == "1.1"):
        raise RefusedError(Reason.BAD_HEADER, "send exactly one Host")
    if any(_HIGH.search(value) for name, value in head.headers if name in READ):
        raise RefusedError(Reason.BAD_HEADER, "a field that is read here holds bytes above 0x7F")
    _check_connection(found)
    if any(value.lower() != b"100-continue" for value in found.get(b"expect", [])):
        raise RefusedError(Reason.EXPECTATION_FAILED)
    return _target(head, hosts)


def body_length(headers: Headers) -> int | None:
    """Return the announced length of a checked request's body, None when it is chunked."""
    for name, value in headers:
        if name == b"transfer-encoding":
            return None
        if name == b"content-length":
            return int(value)
    return 0


def _check_lengths(version: str, found: dict[bytes, list[bytes]]) -> None:
    encodings = found.get(b"transfer-encoding", [])
    if not encodings:
        return
    if version != "1.1" or b"content-length" in found or [one.lower() for one in encodings] != [b"chunked"]:
        raise RefusedError(Reason.AMBIGUOUS_LENGTH)


def _check_connection(found: dict[bytes, list[bytes]]) -> None:
    if b"upgrade" in found:
        raise RefusedError(Reason.UPGRADE_NOT_SUPPORTED)
    named = {one.strip() for value in found.get(b"connection", []) for one in value.lower().split(b",")}
    if named & NEVER_HOP_BY_HOP:
        raise RefusedError(Reason.BAD_HEADER, "Connection names a field that is for everyone")


def _target(head: RequestHead, hosts: list[bytes]) -> RequestTarget:
    target = head.target
    if b"#" in target:
        raise RefusedError(Reason.BAD_PATH, "a fragment is never sent")
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None:
        if not hosts or absolute[1].lower() != hosts[0].lower():
            raise RefusedError(Reason.BAD_PATH, "the target names another host than Host")
        target = absolute[2] or b"/"
    if not target.startswith(b"/"):
        raise RefusedError(Reason.BAD_PATH, "not an absolute path")
    path, _, query = target.partition(b"?")
    return RequestTarget(path, query)
