"""Frames of HTTP/2 as bytes, for the server's side of calls (RFC 9113, sections 4, 6 and 7).

A frame is nine bytes and a payload::

    00 00 08   06    00     00 00 00 00   64 72 61 69 6e 69 6e 67
    length 8   PING  flags  stream 0      payload
"""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

from veritape.kernel.errors import PeerError

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""First bytes of a client (section 3.4)."""

HEAD_BYTES: Final = 9
"""Of a frame, before its payload."""

PAYLOAD_LIMIT: Final = 16_384
"""Longest payload that we take and send: what every peer must take (section 4.2)."""

WINDOW_LIMIT: Final = 2**31 - 1
"""Largest window (section 6.9.1)."""

FIRST_WINDOW: Final = 65_535
"""Window of a connection, and of a stream until SETTINGS say otherwise (section 6.9.2)."""


class Kind(IntEnum):
    """Type of a frame (section 6)."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
WITH_PRIORITY: Final = 0x20
"""Flags; what a bit means depends on the type."""


class ErrorCode(IntEnum):
    """Why a stream or a connection ends (section 7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    FLOW_CONTROL_ERROR = 3
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


class Setting(IntEnum):
    """What an end of a connection says of itself (section 6.5.2)."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


RANGES: Final = {
    Setting.ENABLE_PUSH: (0, 1, ErrorCode.PROTOCOL_ERROR),
    Setting.INITIAL_WINDOW_SIZE: (0, WINDOW_LIMIT, ErrorCode.FLOW_CONTROL_ERROR),
    Setting.MAX_FRAME_SIZE: (PAYLOAD_LIMIT, 2**24 - 1, ErrorCode.PROTOCOL_ERROR),
}
"""Setting -> least and largest value, and the error of another one."""


class Http2Error(PeerError):
    """The peer broke the protocol; the connection ends."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


frame_head: Final = struct.Struct(">HBBBL")
"""Length in two parts, type, flags, stream."""

_SETTING: Final = struct.Struct(">HL")


def frame(kind: Kind, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a frame."""
    return frame_head.pack(len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload


def number_frame(kind: Kind, stream: int, number: int) -> bytes:
    """Return a frame whose payload is one number: RST_STREAM, WINDOW_UPDATE."""
    return frame(kind, 0, stream, number.to_bytes(4))


def settings_frame(settings: dict[Setting, int]) -> bytes:
    """Return what we say of ourselves."""
    return frame(Kind.SETTINGS, 0, 0, b"".join(_SETTING.pack(*one) for one in settings.items()))


def goaway_frame(last_stream: int, code: ErrorCode) -> bytes:
    """Return the end of a connection: streams above the last one were not looked at."""
    return frame(Kind.GOAWAY, 0, 0, last_stream.to_bytes(4) + code.to_bytes(4))


def read_settings(payload: bytes) -> Iterator[tuple[int, int]]:
    """Return what the peer says of itself; settings that nobody knows are left to the caller to skip.

    Raises:
        Http2Error: a part is missing, or a value is out of its range.
    """
    if len(payload) % _SETTING.size:
        raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS are not whole")
    for name, value in _SETTING.iter_unpack(payload):
        least, largest, code = RANGES.get(name, (0, 2**32 - 1, ErrorCode.PROTOCOL_ERROR))
        if not least <= value <= largest:
            raise Http2Error(code, f"setting {name} is {value}")
        yield name, value


def unpadded(flags: int, payload: bytes) -> bytes:
    """Return a payload of DATA or HEADERS without its padding and without a priority, which nobody uses any more.

    Raises:
        Http2Error: there is more padding than payload.
    """
    before, after = 0, 0
    if flags & PADDED:
        before, after = 1, payload[0] if payload else 1
    if flags & WITH_PRIORITY:
        before += 5
    end = len(payload) - after
    if before > end:
        raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a frame has more padding than payload")
    return payload[before:end]


def read_number(payload: bytes) -> int:
    """Return the number of RST_STREAM or WINDOW_UPDATE, without its reserved bit.

    Raises:
        Http2Error: it is not four bytes.
    """
    if len(payload) != 4:  # noqa: PLR2004 - a number
        raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "a frame of one number has another length")
    return int.from_bytes(payload) & WINDOW_LIMIT
