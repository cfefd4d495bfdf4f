"""Answers of calls as frames of HTTP/2: HEADERS, one message in DATA, HEADERS with the status, within the peer's windows.

Everything but the message and the number of the stream is written beforehand.
"""

from enum import IntEnum
from typing import Final

from veritape.gateway import http2_fields as fields
from veritape.gateway.http2_frames import (
    END_HEADERS,
    END_STREAM,
    FIRST_WINDOW,
    HEAD_BYTES,
    PAYLOAD_LIMIT,
    WINDOW_LIMIT,
    ErrorCode,
    Http2Error,
    Kind,
    frame,
    frame_head,
)


class RpcStatus(IntEnum):
    """gRPC's codes of calls that we fail."""

    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13


_BEFORE_STREAM: Final = HEAD_BYTES - 4
_ANSWER: Final = frame(Kind.HEADERS, END_HEADERS, 0, fields.ANSWER)
_DONE: Final = frame(Kind.HEADERS, END_HEADERS | END_STREAM, 0, fields.DONE)
_ANSWER_START, _ANSWER_BLOCK = _ANSWER[:_BEFORE_STREAM], _ANSWER[HEAD_BYTES:]
_DONE_START, _DONE_BLOCK = _DONE[:_BEFORE_STREAM], _DONE[HEAD_BYTES:]


class Outgoing:
    """What is known of a stream's way out."""

    __slots__ = ("unsent", "window")

    def __init__(self, window: int) -> None:
        self.window = window
        """Bytes that the peer still takes."""
        self.unsent = b""
        """What is left of an answer that waits for a window."""


class Answers:
    """Writes a connection's answers; who calls forgets a stream that has all of its own."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        """To be sent."""
        self.sendable = self.first_window = FIRST_WINDOW
        """Bytes that the peer still takes of the connection, and of a new stream."""

    def send(self, stream: int, out: Outgoing, message: bytes) -> bool:
        """Write a message; return whether all of it could be."""
        data = b"\0%b%b" % (len(message).to_bytes(4), message)
        size, name = len(data), stream.to_bytes(4)
        if size > PAYLOAD_LIMIT or size > out.window or size > self.sendable:
            self.frames.append(b"%b%b%b" % (_ANSWER_START, name, _ANSWER_BLOCK))
            out.unsent = data
            return self.go_on(stream, out)
        self.sendable -= size
        head = frame_head.pack(size >> 8, size & 0xFF, 0, 0, stream)
        self.frames.append(
            b"%b%b%b%b%b%b%b%b"
            % (_ANSWER_START, name, _ANSWER_BLOCK, head, data, _DONE_START, name, _DONE_BLOCK)
        )
        return True

    def go_on(self, stream: int, out: Outgoing) -> bool:
        """Write as much of what waits as the windows let through; return whether that was all."""
        while out.unsent:
            size = min(len(out.unsent), PAYLOAD_LIMIT, out.window, self.sendable)
            if size <= 0:
                return False
            piece, out.unsent = out.unsent[:size], out.unsent[size:]
            out.window -= size
            self.sendable -= size
            self.frames.append(frame(Kind.DATA, 0, stream, piece))
        self.frames.append(b"%b%b%b" % (_DONE_START, stream.to_bytes(4), _DONE_BLOCK))
        return True

    def close(self, stream: int, block: bytes) -> None:
        """Write fields after which nothing follows."""
        self.frames.append(frame(Kind.HEADERS, END_HEADERS | END_STREAM, stream, block))

    def widen(self, more: int) -> None:
        """Learn that the connection takes more.

        Raises:
            Http2Error: more than a window can be.
        """
        self.sendable += more
        if self.sendable > WINDOW_LIMIT:
            raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "a window is too large")
