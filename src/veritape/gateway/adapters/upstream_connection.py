"""One connection to a target: one request, one answer, both streamed, with back-pressure on either side (GW-581, GW-582).

The parser is httptools'. What it leaves open is decided here: an answer with both lengths, more bytes than announced, an
answer that nobody asked for. Whoever breaks a rule loses the connection.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, cast

import httptools

from veritape.gateway.adapters.alarm import Alarm
from veritape.gateway.adapters.flow import Flow
from veritape.gateway.answers import Headers
from veritape.gateway.reasons import Reason
from veritape.gateway.upstream_failures import UpstreamFailedError

HEAD_LIMIT_BYTES: Final = 65_536
"""Largest header block of an answer."""

BUFFER_BYTES: Final = 65_536
"""Bytes of an answer that wait for the client before the target is paused."""

FIRST_BYTE_S: Final = 30.0
"""Longest wait for an answer, and between two pieces of it."""

FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
"""Fields that say where a body ends."""

INFORMATIONAL: Final = range(100, 200)
"""Statuses before the answer's own."""

SWITCHING: Final = 101
"""An upgrade, which is never asked for."""


class AnswerHead(NamedTuple):
    """Beginning of an answer."""

    status: int
    fields: Headers
    """Lower-case names."""
    length: int | None = None
    """Of the body, as it was announced."""


class UpstreamConnection(asyncio.Protocol):
    """A connection; it may be used again once ``is_reusable``."""

    def __init__(self, on_lost: Callable[["UpstreamConnection"], None]) -> None:
        self._on_lost = on_lost
        self._transport: asyncio.Transport
        self._flow: Flow
        self._loop: asyncio.AbstractEventLoop
        self._patience: Alarm
        """Rings when the target has been silent for too long."""
        self._parser = httptools.HttpResponseParser(self)
        self._failure: UpstreamFailedError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._chunks: deque[bytes] = deque()
        self._buffered = self._head_bytes = 0
        self._is_asked = self._answer_begun = False
        self._method, self._status, self._field_bytes = "", 0, 0
        self._fields: Headers = []
        self._head: AnswerHead | None = None
        self._is_complete = self._keeps_alive = self._until_close = False
        self.is_lost = False
        """The connection is gone."""
        self.request_ended = True
        """The last byte of the request was written."""

    @property
    def is_reusable(self) -> bool:
        """Tell whether another request may go this way: only after a complete request and answer (GW-585)."""
        return (
            self._is_complete and self.request_ended and self._keeps_alive and not self.is_lost
            and self._failure is None and not self._transport.is_closing()
        )  # fmt: skip

    # What the pool's user calls

    def begin(self, method: str, head: bytes, *, has_body: bool) -> None:
        """Write the head of a request."""
        self._parser = httptools.HttpResponseParser(self)
        self._method, self._head, self._head_bytes = method, None, 0
        self._is_complete = self._until_close = self._answer_begun = False
        self._is_asked, self.request_ended = True, not has_body
        self._transport.write(head)

    async def write(self, data: bytes) -> None:
        """Write a piece of the request's body; waits while the target does not take it.

        Raises:
            UpstreamFailedError: the connection is gone.
        """
        if self._failure is not None:
            raise self._failure
        self._transport.write(data)
        await self._flow.until_writable()

    async def head(self, until_s: float) -> AnswerHead:
        """Return the beginning of the answer, if it comes until a moment of the loop's clock.

        Raises:
            UpstreamFailedError: none came, in time, that is HTTP.
        """
        while self._head is None and self._failure is None:
            await self._wait(until_s)
        if self._failure is not None:
            raise self._failure
        if self._head is None:
            raise AssertionError("an answer without a head is a failure")
        return self._head

    def rest(self) -> bytes | None:
        """Return what is left of the answer's body if all of it has come."""
        if not self._is_complete or self._failure is not None:
            return None
        body = b"".join(self._chunks)
        self._chunks.clear()
        self._take(len(body))
        return body

    async def read(self, until_s: float) -> bytes:
        """Return the next piece of the answer's body, empty at its end, if it comes until a moment of the loop's clock.

        Raises:
            UpstreamFailedError: the answer was cut off or is not HTTP.
        """
        while not self._chunks:
            if self._failure is not None:
                raise self._failure
            if self._is_complete:
                return b""
            await self._wait(until_s)
        chunk = self._chunks.popleft()
        self._take(len(chunk))
        return chunk

    def close(self) -> None:
        """Throw the connection away."""
        self._transport.abort()

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._loop = asyncio.get_running_loop()
        self._patience = Alarm(self._loop, lambda: self._fail(Reason.UPSTREAM_TIMEOUT))
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._flow = Flow(self._transport)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; bytes that nobody asked for end the connection."""
        if not self._is_asked or self._is_complete:
            self._fail(Reason.UPSTREAM_PROTOCOL_ERROR)  # bytes that nobody asked for
            return
        self._answer_begun = True
        if self._head is None:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(Reason.UPSTREAM_PROTOCOL_ERROR)
            return
        if self._head is None and self._head_bytes > HEAD_LIMIT_BYTES:
            self._fail(Reason.UPSTREAM_PROTOCOL_ERROR)
        elif self._buffered >= BUFFER_BYTES and not self._transport.is_closing():
            self._flow.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Complete an answer that ends with its connection; fail one that was cut off."""
        self.is_lost = True
        self._patience.stop()
        if self._until_close and exc is None and self._failure is None:
            self._is_complete = True
        elif not self._is_complete and self._failure is None:
            self._failure = self._failed(Reason.UPSTREAM_CLOSED)
        self.resume_writing()
        self._wake()
        self._on_lost(self)

    def pause_writing(self) -> None:
        """Make ``write`` wait: the target does not take more."""
        self._flow.pause_writing()

    def resume_writing(self) -> None:
        """Let ``write`` go on."""
        self._flow.resume_writing()

    # What the parser calls

    def on_message_begin(self) -> None:
        """Refuse a second answer."""
        if self._head is not None:
            raise ValueError("a second answer")
        self._status, self._fields, self._field_bytes = 0, [], 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field."""
        self._fields.append((name.lower(), value))
        self._field_bytes += len(name) + len(value) + 4

    def on_headers_complete(self) -> None:
        """Take the head of the answer; what frames it in two ways is refused."""
        self._status = self._parser.get_status_code()
        if self._status in INFORMATIONAL:
            if self._status == SWITCHING:
                raise ValueError("an upgrade that nobody asked for")
            return
        if self._field_bytes > HEAD_LIMIT_BYTES:
            raise ValueError("too many fields")
        framing = [field for field in self._fields if field[0] in FRAMING]
        if len(framing) > 1:
            raise ValueError("two lengths")
        length = None
        if framing and framing[0][0] == b"content-length":
            length = int(framing[0][1])
        elif framing and framing[0][1].lower() != b"chunked":
            raise ValueError("an encoding that was not asked for")
        self._keeps_alive = self._parser.should_keep_alive()
        self._until_close = not framing and self._method != "HEAD"
        self._head = AnswerHead(self._status, self._fields, length)
        if self._method == "HEAD":
            self._complete()

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        if self._method == "HEAD":
            raise ValueError("a body that was not asked for")
        self._chunks.append(body)
        self._buffered += len(body)

    def on_message_complete(self) -> None:
        """Note the end of the answer."""
        if self._head is not None and not self._is_complete:
            self._complete()

    def _complete(self) -> None:
        self._is_complete, self._until_close = True, False

    def _take(self, count: int) -> None:
        """Count bytes that are the client's now; the target may go on."""
        self._buffered -= count
        if self._buffered < BUFFER_BYTES:
            self._flow.resume_reading()

    async def _wait(self, until_s: float) -> None:
        """Wait until something happens; that nothing does in time is a failure too."""
        self._waiter = self._loop.create_future()
        self._patience.set(until_s)
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._patience.clear()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, reason: Reason) -> None:
        if self._failure is None:
            self._failure = self._failed(reason)
        self._transport.abort()
        self._wake()

    def _failed(self, reason: Reason) -> UpstreamFailedError:
        return UpstreamFailedError(reason, answer_begun=self._answer_begun)
