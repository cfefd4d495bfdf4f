"""The client's side of gRPC over HTTP/2 for tests: frames in their simplest form, and a reader of what the server sends."""

from collections.abc import Iterable
from typing import NamedTuple

from hpack import Decoder, Encoder

from veritape.gateway.http2_frames import (
    END_HEADERS,
    END_STREAM,
    HEAD_BYTES,
    PREFACE,
    Kind,
    Setting,
    frame,
    settings_frame,
)

FIELDS = (
    (":method", "POST"), (":scheme", "http"), (":path", "/service/method"), (":authority", "veritape"), ("te", "trailers"),
    ("content-type", "application/grpc"),
)  # fmt: skip
"""Fields of a call."""

OPENING = PREFACE + frame(Kind.SETTINGS, 0, 0)
"""First bytes of a client that says nothing of itself."""


class Frame(NamedTuple):
    """One frame."""

    kind: Kind
    flags: int
    stream: int
    payload: bytes


def frames(octets: bytes) -> list[Frame]:
    """Read frames; the last one has to be whole."""
    found = []
    while octets:
        length = int.from_bytes(octets[:3])
        stream = int.from_bytes(octets[5:9])
        found.append(Frame(Kind(octets[3]), octets[4], stream, octets[HEAD_BYTES : HEAD_BYTES + length]))
        assert len(octets) >= HEAD_BYTES + length
        octets = octets[HEAD_BYTES + length :]
    return found


def block(fields: Iterable[tuple[str, str]] = FIELDS, table: int = 0) -> bytes:
    """Return the first fields of a connection whose client uses a table of some size."""
    encoder = Encoder()
    encoder.header_table_size = table
    return encoder.encode(list(fields))


def read_block(octets: bytes) -> dict[bytes, bytes]:
    """Return what a block of ours says to a client without a table."""
    decoder = Decoder()
    decoder.max_allowed_table_size = decoder.header_table_size = 0
    return dict(decoder.decode(octets, raw=True))


def message(octets: bytes, compressed: int = 0) -> bytes:
    """Return a message as it stands in DATA."""
    return bytes([compressed]) + len(octets).to_bytes(4) + octets


def call(stream: int, octets: bytes, head: bytes | None = None) -> bytes:
    """Return a whole call."""
    return frame(Kind.HEADERS, END_HEADERS, stream, block() if head is None else head) + frame(
        Kind.DATA, END_STREAM, stream, message(octets)
    )


def window(octets: int) -> bytes:
    """Return a client's opening that lets each stream send so many bytes."""
    return PREFACE + settings_frame({Setting.INITIAL_WINDOW_SIZE: octets})
