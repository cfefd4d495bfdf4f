"""Header fields of calls over HTTP/2: read once, remembered by their bytes, and written beforehand (RFC 7541).

A proxy sends the same fields with every call. HPACK would shorten them with a table that both sides change as they go, and
then no block of bytes means anything by itself. We announce a table of size 0: once the peer has set it so, a block means
the same each time, and what it says is found by its bytes. Until then, and for a block that is new, ``hpack`` decodes.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from hpack import Decoder, HPACKError, OversizedHeaderListError

from veritape.gateway.http2_frames import ErrorCode, Http2Error

FIELDS_LIMIT_BYTES: Final = 16_384
"""Fields of a call, as HTTP/2 counts them: names, values and 32 bytes each."""

REMEMBERED: Final = 256
"""Blocks whose meaning is kept for a connection; at the bound all are forgotten."""

BLOCK_LIMIT_BYTES: Final = 2_048
"""Longer blocks are decoded each time."""

FIRST_TABLE_BYTES: Final = 4_096
"""Table of a peer that does not know our settings yet."""

CONTENT_TYPE: Final = b"application/grpc"
"""Of a call; a suffix after ``+`` or ``;`` may follow."""

_PSEUDO: Final = frozenset({b":method", b":scheme", b":authority", b":path"})


class Head(NamedTuple):
    """What the fields of a call say."""

    path: bytes
    """``/service/method``; empty when malformed."""
    is_call: bool = True
    """POST with gRPC's content type."""


MALFORMED: Final = Head(b"")
"""Fields that break HTTP/2's rules: the stream is reset."""


class FieldReader:
    """Reads the blocks of one connection, in their order."""

    def __init__(self) -> None:
        self._decoder = Decoder(FIELDS_LIMIT_BYTES)
        self._decoder.max_allowed_table_size = FIRST_TABLE_BYTES
        self._heads: dict[bytes, Head] = {}

    def read(self, block: bytes) -> Head:
        """Return what a block says.

        Raises:
            Http2Error: it cannot be read; nothing after it could.
        """
        decoder = self._decoder
        head = self._heads.get(block) if decoder.header_table_size == 0 else None
        if head is not None:
            return head
        try:
            fields = decoder.decode(block, raw=True)
        except OversizedHeaderListError as error:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "the fields of a call are too long") from error
        except HPACKError as error:
            raise Http2Error(ErrorCode.COMPRESSION_ERROR, "fields cannot be read") from error
        head = read_head(fields)
        if decoder.header_table_size == 0 and len(block) <= BLOCK_LIMIT_BYTES:
            if len(self._heads) >= REMEMBERED:
                self._heads.clear()
            self._heads[block] = head
        return head


def read_head(fields: Iterable[tuple[bytes, bytes]]) -> Head:
    """Return what decoded fields say of a call (RFC 9113, section 8.3; gRPC over HTTP/2, Request)."""
    pseudo, content_type, regular = dict[bytes, bytes](), b"", False
    for name, value in fields:
        if name[:1] == b":":
            if regular or name in pseudo or name not in _PSEUDO:
                return MALFORMED
            pseudo[name] = value
            continue
        regular = True
        if name != name.lower() or name == b"connection":
            return MALFORMED
        if name == b"content-type":
            content_type = value
    path = pseudo.get(b":path", b"")
    if not path or b":scheme" not in pseudo or b":method" not in pseudo:
        return MALFORMED
    kind, suffix = content_type[: len(CONTENT_TYPE)], content_type[len(CONTENT_TYPE) :]
    return Head(path, pseudo[b":method"] == b"POST" and kind == CONTENT_TYPE and suffix[:1] in b"+;")


def literal(name: bytes, value: bytes) -> bytes:
    """Return one field as it stands in a block, without any table; name and value have at most 126 bytes."""
    return b"\x00%c%b%c%b" % (len(name), name, len(value), value)


ANSWER: Final = b"\x88" + literal(b"content-type", CONTENT_TYPE)
"""Block before a message: ``:status`` 200 is entry 8 of the static table."""

DONE: Final = literal(b"grpc-status", b"0")
"""Block after it."""

NO_CALL: Final = literal(b":status", b"415")
"""Block for what is no call."""

TEXT_LIMIT: Final = 100
"""Longest text of a failure."""


def failure_block(status: int, text: str) -> bytes:
    """Return the only block of a call that failed; ``text`` is ASCII without ``%``."""
    return b"%b%b%b" % (
        ANSWER, literal(b"grpc-status", b"%d" % status), literal(b"grpc-message", text[:TEXT_LIMIT].encode("ascii")),
    )  # fmt: skip
