"""One connection of HTTP/2 that carries gRPC calls of one message each way, seen from the server (GW-611, GW-612).

Bytes go in, whole calls and bytes to send come out; nothing here waits. A call is a stream of HTTP/2: HEADERS that name the
service, DATA with one message, and back HEADERS, DATA, HEADERS with the status. What a peer may make us keep is bounded:
calls that were not answered, bytes of messages that are not whole, fields; resets do not free the place of a call that is
still being decided, so asking and resetting faster than we decide gains nothing (CVE-2023-44487).

*Source*: RFC 9113, and "gRPC over HTTP2" of gRPC's documentation.
"""

from typing import Final

from veritape.gateway import http2_fields as fields
from veritape.gateway.http2_fields import MALFORMED, FieldReader
from veritape.gateway.http2_frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    FIRST_WINDOW,
    HEAD_BYTES,
    PADDED,
    PAYLOAD_LIMIT,
    PREFACE,
    WINDOW_LIMIT,
    WITH_PRIORITY,
    ErrorCode,
    Http2Error,
    Kind,
    Setting,
    frame,
    frame_head,
    goaway_frame,
    number_frame,
    read_number,
    read_settings,
    settings_frame,
    unpadded,
)
from veritape.gateway.rpc_answers import Answers, Outgoing, RpcStatus
from veritape.gateway.rpc_messages import HEAD_OF_MESSAGE, MESSAGE_LIMIT_BYTES, Call, Wrong, read_message

CALLS_LIMIT: Final = 1_000
"""Calls of a connection that may be unanswered; the next one is refused, and the peer may send it again."""

PARTIAL_LIMIT_BYTES: Final = 4 * MESSAGE_LIMIT_BYTES
"""Bytes of messages of a connection that are not whole."""

STREAM_WINDOW: Final = MESSAGE_LIMIT_BYTES + 2 * PAYLOAD_LIMIT
"""Bytes that a stream may send: a message, and enough above it that one too long is refused and not left waiting."""

CONNECTION_WINDOW: Final = 4 * 1_024 * 1_024
"""Bytes that a connection may send before we say that it may go on, which we do each half of it."""

SETTINGS: Final = settings_frame(
    {
        Setting.HEADER_TABLE_SIZE: 0,
        Setting.MAX_CONCURRENT_STREAMS: CALLS_LIMIT,
        Setting.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
        Setting.MAX_HEADER_LIST_SIZE: fields.FIELDS_LIMIT_BYTES,
    }
)
"""What we say of ourselves."""

LEAVING: Final = b"leaving!"
"""Payload of the PING whose answer shows that the peer knows we leave."""


class _Stream(Outgoing):
    """A call on its way in, decided, or on its way out."""

    __slots__ = ("asked", "partial", "path")

    def __init__(self, path: bytes, window: int) -> None:
        super().__init__(window)
        self.path = path
        self.partial = bytearray()
        """Beginning of a message that came in pieces."""
        self.asked = False
        """The call is whole and with whoever answers it."""


_CONTINUATION: Final = int(Kind.CONTINUATION)
_SETTINGS: Final = int(Kind.SETTINGS)
"""A member of an enum is looked up in its class each time."""


class RpcConnection:
    """The server's side of one connection. ``receive`` gives calls, ``answer`` or ``fail`` ends each, ``take_output`` what to send."""

    def __init__(self) -> None:
        self.ended = False
        """Nothing is read any more: send what there is and close."""
        self._input, self._answers = b"", Answers()
        self._output = self._answers.frames
        self._output += [SETTINGS, _more(CONNECTION_WINDOW - FIRST_WINDOW)]
        self._begun = self._introduced = False
        self._fields = FieldReader()
        self._streams: dict[int, _Stream] = {}
        self._last = 0
        """Highest stream of the peer."""
        self._abandoned = 0
        """Calls that were reset and are still being decided."""
        self._waiting: set[int] = set()
        """Streams whose answers wait for a window."""
        self._partial_bytes = 0
        self._block: tuple[int, int, bytes] | None = None
        """Stream, flags and beginning of fields that go on in CONTINUATION."""
        self._taken_bytes = 0
        """Since we last said that the peer may go on."""
        self._calls: list[Call] = []
        self._leaving = self._left = False
        self._takes = (
            self._take_data, self._take_headers, _skip, self._take_reset, self._take_settings, _refuse_push,
            self._take_ping, _skip, self._take_window, self._take_continuation,
        )  # fmt: skip
        """By type of frame."""

    @property
    def is_idle(self) -> bool:
        """Whether the peer has heard that we leave and every call of before is answered."""
        return self.ended or (self._left and not self._streams)

    def take_output(self) -> bytes:
        """Return what is to be sent now."""
        output = b"".join(self._output)
        self._output.clear()
        return output

    def receive(self, data: bytes) -> list[Call]:
        """Take bytes of the peer; return the calls that became whole, also when the rest breaks the protocol."""
        if self.ended:
            return []
        self._input = data = self._input + data if self._input else data
        try:
            if not self._begun:
                data = self._begin(data)
            self._input = self._take_frames(data) if self._begun else data
        except Http2Error as error:
            self._end(error.code)
        calls, self._calls = self._calls, []
        return calls

    def answer(self, stream: int, message: bytes) -> None:
        """Answer a call."""
        found = self._streams.get(stream)
        if found is None:
            self._abandoned -= 1
            return
        if self._answers.send(stream, found, message):
            del self._streams[stream]
        else:
            self._waiting.add(stream)

    def fail(self, stream: int, status: RpcStatus, text: str) -> None:
        """Answer a call with an error of gRPC."""
        if stream in self._streams:
            self._close(stream, fields.failure_block(status, text))
        else:
            self._abandoned -= 1

    def leave(self) -> None:
        """Tell the peer to open no more calls here; those that it opens until it knows are served."""
        if not self._leaving and not self.ended:
            self._leaving = True
            self._output += [
                goaway_frame(WINDOW_LIMIT, ErrorCode.NO_ERROR), frame(Kind.PING, 0, 0, LEAVING),
            ]  # fmt: skip

    def _begin(self, data: bytes) -> bytes:
        """Take the preface."""
        if not PREFACE.startswith(data[: len(PREFACE)]):
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "the peer does not speak HTTP/2")
        self._begun = len(data) >= len(PREFACE)
        return data[len(PREFACE) :] if self._begun else data

    def _take_frames(self, data: bytes) -> bytes:
        """Take the whole frames; return what is left."""
        at, end, takes, unpack = 0, len(data), self._takes, frame_head.unpack_from
        while end - at >= HEAD_BYTES:
            high, low, kind, flags, stream = unpack(data, at)
            length = high << 8 | low
            if length > PAYLOAD_LIMIT:
                raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "a frame is too long")
            after = at + HEAD_BYTES + length
            if after > end:
                break
            if (self._block is not None) is not (kind == _CONTINUATION):
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, "fields and their continuation are torn apart")
            if not self._introduced and kind != _SETTINGS:
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, "SETTINGS come first")
            if kind < len(takes):
                takes[kind](flags, stream & WINDOW_LIMIT, data[at + HEAD_BYTES : after])
            at = after
        return data[at:]

    def _take_data(self, flags: int, stream: int, payload: bytes) -> None:
        found = self._streams.get(stream)
        self._taken_bytes += len(payload)
        if self._taken_bytes >= CONNECTION_WINDOW // 2:
            self._output.append(_more(self._taken_bytes))
            self._taken_bytes = 0
        if found is None or found.asked:
            self._see_opened(stream)
            if found is not None:
                self._reset(stream, ErrorCode.STREAM_CLOSED)
            return
        if flags & PADDED:
            payload = unpadded(flags & PADDED, payload)
        if flags & END_STREAM:
            self._ask(stream, found, payload)
            return
        found.partial += payload
        self._partial_bytes += len(payload)
        if len(found.partial) > MESSAGE_LIMIT_BYTES + HEAD_OF_MESSAGE:
            self._refuse(stream, "the message is too long")
        elif self._partial_bytes > PARTIAL_LIMIT_BYTES:
            self._refuse(stream, "too many messages are not whole")

    def _ask(self, stream: int, found: _Stream, data: bytes) -> None:
        """Give a call on whose last piece is there."""
        if found.partial:
            self._partial_bytes -= len(found.partial)
            data = bytes(found.partial + data)
            found.partial = bytearray()
        found.asked = True
        message = read_message(data)
        if isinstance(message, Wrong):
            self._close(stream, fields.failure_block(*message))
        else:
            self._calls.append(Call(stream, found.path, message))

    def _take_headers(self, flags: int, stream: int, payload: bytes) -> None:
        if not stream & 1:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a client's streams are odd")
        if flags & (PADDED | WITH_PRIORITY):
            payload = unpadded(flags, payload)
        if flags & END_HEADERS:
            self._take_fields(stream, flags, payload)
        else:
            self._block = (stream, flags, payload)

    def _take_continuation(self, flags: int, stream: int, payload: bytes) -> None:
        begun, first_flags, block = self._block or (0, 0, b"")
        if stream != begun:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "fields of another stream go on")
        block += payload
        if len(block) > fields.FIELDS_LIMIT_BYTES:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "the fields of a call are too long")
        self._block = (stream, first_flags, block)
        if flags & END_HEADERS:
            self._block = None
            self._take_fields(stream, first_flags, block)

    def _take_fields(self, stream: int, flags: int, block: bytes) -> None:
        """Begin a call, or end it by trailers; fields of refused and closed streams are read as well: the next ones build on them."""
        head = self._fields.read(block)
        if stream <= self._last:
            found = self._streams.get(stream)
            if found is not None and not found.asked and flags & END_STREAM:
                self._ask(stream, found, b"")
            elif found is not None:
                self._reset(stream, ErrorCode.PROTOCOL_ERROR)
            return
        self._last = stream
        if self._left:
            return
        if len(self._streams) + self._abandoned >= CALLS_LIMIT:
            self._output.append(number_frame(Kind.RST_STREAM, stream, ErrorCode.REFUSED_STREAM))
        elif head is MALFORMED:
            self._output.append(number_frame(Kind.RST_STREAM, stream, ErrorCode.PROTOCOL_ERROR))
        else:
            self._open(stream, flags, head)

    def _open(self, stream: int, flags: int, head: fields.Head) -> None:
        found = self._streams[stream] = _Stream(head.path, self._answers.first_window)
        if not head.is_call:
            self._close(stream, fields.NO_CALL)
            if not flags & END_STREAM:
                self._output.append(number_frame(Kind.RST_STREAM, stream, ErrorCode.NO_ERROR))
        elif flags & END_STREAM:
            self._ask(stream, found, b"")

    def _take_reset(self, flags: int, stream: int, payload: bytes) -> None:
        del flags
        read_number(payload)
        self._see_opened(stream)
        if stream in self._streams:
            self._forget(stream)

    def _take_settings(self, flags: int, stream: int, payload: bytes) -> None:
        if stream or (flags & ACK and payload):
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "SETTINGS of a stream")
        self._introduced = True
        if flags & ACK:
            return
        for name, value in read_settings(payload):
            if name == Setting.INITIAL_WINDOW_SIZE:
                change, self._answers.first_window = value - self._answers.first_window, value
                for found in self._streams.values():
                    found.window += change
                    if found.window > WINDOW_LIMIT:
                        raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "a window is too large")
        self._output.append(frame(Kind.SETTINGS, ACK, 0))
        self._send_waiting()

    def _take_ping(self, flags: int, stream: int, payload: bytes) -> None:
        if stream or len(payload) != len(LEAVING):
            code = ErrorCode.PROTOCOL_ERROR if stream else ErrorCode.FRAME_SIZE_ERROR
            raise Http2Error(code, "PING is eight bytes of no stream")
        if not flags & ACK:
            self._output.append(frame(Kind.PING, ACK, 0, payload))
        elif self._leaving and payload == LEAVING and not self._left:
            self._left = True
            self._output.append(goaway_frame(self._last, ErrorCode.NO_ERROR))

    def _take_window(self, flags: int, stream: int, payload: bytes) -> None:
        del flags
        more = read_number(payload)
        if not more:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a window grows by nothing")
        if stream == 0:
            self._answers.widen(more)
        else:
            self._see_opened(stream)
            found = self._streams.get(stream)
            if found is not None:
                found.window += more
                if found.window > WINDOW_LIMIT:
                    self._reset(stream, ErrorCode.FLOW_CONTROL_ERROR)
        self._send_waiting()

    def _see_opened(self, stream: int) -> None:
        """Refuse frames of streams that the peer never opened."""
        if stream > self._last or not stream & 1:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a frame of a stream that was not opened")

    def _send_waiting(self) -> None:
        """Send what waits for windows."""
        for stream in sorted(self._waiting):
            if self._answers.go_on(stream, self._streams[stream]):
                del self._streams[stream]
                self._waiting.discard(stream)

    def _refuse(self, stream: int, text: str) -> None:
        """Fail a call whose message is not whole, and want nothing more of it."""
        self._partial_bytes -= len(self._streams[stream].partial)
        self._close(stream, fields.failure_block(RpcStatus.RESOURCE_EXHAUSTED, text))
        self._output.append(number_frame(Kind.RST_STREAM, stream, ErrorCode.NO_ERROR))

    def _close(self, stream: int, block: bytes) -> None:
        """Send the last fields of a stream."""
        self._answers.close(stream, block)
        del self._streams[stream]

    def _reset(self, stream: int, code: ErrorCode) -> None:
        """End a stream for what the peer did."""
        self._output.append(number_frame(Kind.RST_STREAM, stream, code))
        self._forget(stream)

    def _forget(self, stream: int) -> None:
        """Forget a stream that was reset; a call that is being decided keeps its place until it is."""
        found = self._streams.pop(stream)
        if not found.asked:
            self._partial_bytes -= len(found.partial)
        elif found.unsent:
            self._waiting.discard(stream)
        else:
            self._abandoned += 1

    def _end(self, code: ErrorCode) -> None:
        """End the connection for what the peer did."""
        self.ended, self._input = True, b""
        self._output.append(goaway_frame(self._last, code))


def _more(window: int) -> bytes:
    return number_frame(Kind.WINDOW_UPDATE, 0, window)


def _skip(flags: int, stream: int, payload: bytes) -> None:
    """Skip PRIORITY, which nobody uses any more, and GOAWAY: the peer closes when it has its answers."""
    del flags, stream, payload


def _refuse_push(flags: int, stream: int, payload: bytes) -> None:
    del flags, stream, payload
    raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a client does not push")
