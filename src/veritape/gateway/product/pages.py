"""What every handler takes and gives: sources and a query in, a page of JSON out, and a cursor to the next one."""

import hashlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

from veritape.gateway.cursors import BadCursorError, Position, read_cursor, write_cursor
from veritape.gateway.problems import RefusedError
from veritape.gateway.readers import ReceiptReader, Segment, TapeReader
from veritape.gateway.reasons import Reason
from veritape.kernel.canonical import Json, canonical_json


class Sources(NamedTuple):
    """What the handlers read; an absent part leaves its routes out."""

    tape: TapeReader | None
    receipts: ReceiptReader | None
    cursor_key: bytes


class Page(NamedTuple):
    """A handler's answer."""

    body: bytes
    """Canonical JSON."""
    etag: str
    """Strong validator of a sealed page; empty when it may still change."""


class Query(NamedTuple):
    """What was asked."""

    path: str
    values: Mapping[str, str]
    """Checked parameters with their defaults, and the path's own as ``rest``."""


Handler = Callable[[Sources, Query], Page]


def make_page(
    sources: Sources, query: Query, items: list[Json], following: Position | None, extra: Mapping[str, Json], *,
    sealed: bool,
) -> Page:  # fmt: skip
    """Return a page of items; one that may still change has no validator.

    Args:
        sources: sign the cursor.
        query: what was asked.
        items: of this page.
        following: where the next page begins; None when there is none.
        extra: members of the page beside the items.
        sealed: the page stays as it is.
    """
    cursor = write_cursor(sources.cursor_key, query.path, query.values, following) if following else None
    body = canonical_json({**extra, "items": items, "next_cursor": cursor})
    etag = f'"{hashlib.sha256(query.path.encode() + body).hexdigest()[:32]}"' if sealed else ""
    return Page(body, etag)


def position_of(sources: Sources, query: Query) -> Position | None:
    """Return where a page begins; None for the first.

    Raises:
        RefusedError: ``bad_parameter``: the cursor is not one of ours, or of another query.
    """
    cursor = query.values.get("cursor")
    if cursor is None:
        return None
    try:
        return read_cursor(sources.cursor_key, query.path, query.values, cursor)
    except BadCursorError as error:
        raise RefusedError(Reason.BAD_PARAMETER, f"cursor: {error}") from error


def tape_of(sources: Sources) -> TapeReader:
    """Return the tape.

    Raises:
        RefusedError: ``not_found``: there is none.
    """
    if sources.tape is None:
        raise RefusedError(Reason.NOT_FOUND)
    return sources.tape


def place_of(segment: Segment) -> str:
    """Return a segment's name in pages and cursors; names sort as time does."""
    return f"{segment.day}/{segment.name}"


def decimal_text(value: int, scale: int) -> str:
    """Return a scaled integer as a decimal: 12345 with scale 2 is ``123.45``."""
    if scale == 0:
        return str(value)
    digits = f"{value:0{scale + 1}}"
    return f"{digits[:-scale]}.{digits[-scale:]}"
