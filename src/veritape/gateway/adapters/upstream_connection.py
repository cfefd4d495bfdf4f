"""One connection to a target: one request, one answer, both streamed, with back-pressure on either side (GW-581, GW-582).

The parser is httptools'. What it leaves open is decided here: an answer with both lengths, more bytes than announced, an
answer that nobody asked for. Whoever breaks a rule loses the connection.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, cast

import httptools

from veritape.gateway.adapters.alarm import Alarm
from veritape.gateway.adapters.departing import Departing
from veritape.gateway.adapters.flow import Flow
from veritape.gateway.adapters.way import Signal
from veritape.gateway.answers import Headers
from veritape.gateway.forwarding import is_writable
from veritape.gateway.reasons import Reason
from veritape.gateway.remembered import Remembered
from veritape.gateway.upstream_failures import UpstreamFailedError
from veritape.gateway.upstreams import FieldRule

HEAD_LIMIT_BYTES: Final = 65_536
"""Largest header block of an answer."""

BUFFER_BYTES: Final = 65_536
"""Bytes of an answer that wait for the client before the target is paused."""

FIRST_BYTE_S: Final = 30.0
"""Longest wait for an answer, and between two pieces of it."""

FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
"""Fields that say where a body ends."""

KNOWN_HEADS: Final = 256
"""Heads of answers that are remembered of one target; at the bound all are forgotten."""

KNOWN_BYTES: Final = 2_048
"""Longest of them."""

HEAD_END: Final = b"\r\n\r\n"
"""Behind it the body begins."""

INFORMATIONAL: Final = range(100, 200)
"""Statuses before the answer's own."""

SWITCHING: Final = 101
"""An upgrade, which is never asked for."""


@dataclass(slots=True, eq=False)
class AnswerHead:
    """Beginning of an answer. Answers with the same head share one: it holds what follows from that head."""

    status: int
    fields: Headers
    """Lower-case names."""
    length: int | None
    """Of the body, as it was announced."""
    keeps_alive: bool
    """Another request may follow."""
    passed_back: tuple[FieldRule, bytes] | None = None
    """The lines that clients got last, and the rule that changed them."""


KnownAnswers = Remembered[bytes, AnswerHead]
"""Heads of answers whose length was announced, as they came -> what they say."""


class Reader(Protocol):
    """Who waits for an answer."""

    def set(self) -> None:
        """Look: something has come, or the connection is gone."""
        ...


class UpstreamConnection(asyncio.Protocol):
    """A connection; it may be used again once ``is_reusable``."""

    def __init__(
        self, on_lost: Callable[["UpstreamConnection"], None], known: KnownAnswers | None = None,
        departing: Departing | None = None,
    ) -> None:  # fmt: skip
        """Begin.

        Args:
            on_lost: told when the connection is gone.
            known: heads of answers that came before.
            departing: what leaves together with this one's requests; without it each leaves at once.
        """
        self._on_lost, self._departing = on_lost, departing
        self._known = KnownAnswers(KNOWN_HEADS) if known is None else known
        self._transport: asyncio.Transport
        self._flow: Flow
        self._loop: asyncio.AbstractEventLoop
        self._patience: Alarm
        """Rings when the target has been silent for too long."""
        self._parser: httptools.HttpResponseParser | None = None
        """Of the present answer, once it had to be parsed."""
        self._failure: UpstreamFailedError | None = None
        self._news: Reader | None = None
        """Who waits for the answer."""
        self._chunks: deque[bytes] = deque()
        self._buffered = self._head_bytes = 0
        self._is_asked = self._answer_begun = False
        self._unsent = b""
        """Head of a request that leaves at the end of this turn of the loop."""
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
        """Write the head of a request, at the end of this turn of the loop."""
        self._parser = None
        self._method, self._head, self._head_bytes = method, None, 0
        self._is_complete = self._until_close = self._answer_begun = False
        self._is_asked, self.request_ended = True, not has_body
        self._unsent = head
        if self._departing is None:
            self._depart()
        else:
            self._departing.add(self._depart)

    async def write(self, data: bytes) -> None:
        """Write a piece of the request's body; waits while the target does not take it.

        Raises:
            UpstreamFailedError: the connection is gone.
        """
        if self._failure is not None:
            raise self._failure
        self._depart()
        self._transport.write(data)
        await self._flow.until_writable()

    def tell(self, reader: "Reader", until_s: float) -> None:
        """Tell a reader once, when something has come or will not until a moment of the loop's clock."""
        self._news = reader
        self._patience.set(until_s)

    def whole(self) -> AnswerHead | None:
        """Return the head of an answer of which all is here; its reader waits no more."""
        self._patience.clear()
        return self._head if self._is_complete and self._failure is None else None

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
        if not self._is_asked or self._is_complete or self._unsent:
            self._fail(Reason.UPSTREAM_PROTOCOL_ERROR)  # bytes that nobody asked for
            return
        if not self._answer_begun and self._recognise(data):
            self._wake()
            return
        is_first, self._answer_begun = not self._answer_begun, True
        if self._head is None:
            self._head_bytes += len(data)
        try:
            self._parse(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(Reason.UPSTREAM_PROTOCOL_ERROR)
            return
        if self._head is None and self._head_bytes > HEAD_LIMIT_BYTES:
            self._fail(Reason.UPSTREAM_PROTOCOL_ERROR)
        elif self._buffered >= BUFFER_BYTES and not self._transport.is_closing():
            self._flow.pause_reading()
        if is_first and self._is_complete:
            self._learn(data)
        self._wake()

    def _parse(self, data: bytes) -> None:
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(data)

    def _recognise(self, data: bytes) -> bool:
        """Take an answer that came as a whole behind a head that was parsed before; False when it has to be parsed."""
        end = data.find(HEAD_END) + len(HEAD_END)
        head = self._known.get(data[:end])
        if head is None or head.length != len(data) - end or self._method == "HEAD":
            return False
        self._answer_begun = self._is_complete = True
        self._head, self._keeps_alive = head, head.keeps_alive
        self.on_body(data[end:])
        return True

    def _learn(self, data: bytes) -> None:
        """Remember the head of an answer that came as a whole, if its body is what follows the head and as long as it said."""
        end = data.find(HEAD_END) + len(HEAD_END)
        head, is_whole = self._head, self._failure is None and end <= KNOWN_BYTES
        if head is not None and is_whole and head.length == len(data) - end:
            self._known.keep(data[:end], head)

    def connection_lost(self, exc: Exception | None) -> None:
        """Complete an answer that ends with its connection; fail one that was cut off."""
        self.is_lost = True
        self._patience.stop()
        if self._until_close and exc is None and self._failure is None:
            self._is_complete = True
        elif not self._is_complete and self._failure is None:
            self._failure = self._failed(Reason.UPSTREAM_CLOSED)
        self.resume_writing()
        self._on_lost(self)
        self._wake()

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
        parser = self._parser
        if parser is None:
            raise AssertionError("who calls this is the parser")
        self._status = parser.get_status_code()
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
        if not is_writable(self._fields):
            raise ValueError("a field that could end a line")
        self._keeps_alive = parser.should_keep_alive()
        self._until_close = not framing and self._method != "HEAD"
        self._head = AnswerHead(self._status, self._fields, length, self._keeps_alive)
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

    def _depart(self) -> None:
        """Write the head that has not left; on a connection that ends it stays, and so the request has not begun."""
        if self._unsent and not self._transport.is_closing():
            head, self._unsent = self._unsent, b""
            self._transport.write(head)

    def _complete(self) -> None:
        self._is_complete, self._until_close = True, False

    def _take(self, count: int) -> None:
        """Count bytes that are the client's now; the target may go on."""
        self._buffered -= count
        if self._buffered < BUFFER_BYTES:
            self._flow.resume_reading()

    async def _wait(self, until_s: float) -> None:
        """Wait until something happens; that nothing does in time is a failure too."""
        self._news = news = Signal()
        self._patience.set(until_s)
        try:
            await news
        finally:
            self._news = None
            self._patience.clear()

    def _wake(self) -> None:
        """Tell who waits, once; who goes on within this call."""
        reader, self._news = self._news, None
        if reader is not None:
            reader.set()

    def _fail(self, reason: Reason) -> None:
        if self._failure is None:
            self._failure = self._failed(reason)
        self._transport.abort()
        self._wake()

    def _failed(self, reason: Reason) -> UpstreamFailedError:
        return UpstreamFailedError(reason, request_begun=not self._unsent, answer_begun=self._answer_begun)
