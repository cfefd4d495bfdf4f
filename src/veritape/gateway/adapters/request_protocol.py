"""One connection of a client: strict where the HTTP parser is lenient, patient with nobody (GW-551 to 555).

One request at a time: the next one's bytes wait until the answer of the present one is complete; up to a bound they are read,
because only who reads sees that a client left. A refusal of bytes is a problem document like any other and closes the connection,
because what follows cannot be trusted to be a request.
"""

import asyncio
from typing import Any, Final, NoReturn, Protocol, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.utils import get_remote_addr, is_ssl
from uvicorn.server import ServerState

from veritape.gateway.adapters.alarm import Alarm
from veritape.gateway.adapters.client_line import Ended, From, Head, KnownHeads, Straight, Underway
from veritape.gateway.adapters.flow import Flow
from veritape.gateway.adapters.reading_watch import ReadingWatch
from veritape.gateway.adapters.request_timer import RequestTimer
from veritape.gateway.adapters.turn import Serve, Turn, encoded
from veritape.gateway.adapters.way import Way
from veritape.gateway.answers import Answer, Call, Headers, header_lines
from veritape.gateway.framing import TRAILERS_BYTES, Framing, Part
from veritape.gateway.http_rules import (
    BLOCK_BYTES,
    FIELD_BYTES,
    FIELD_EXTRA_BYTES,
    FIELDS,
    LINE_EXTRA_BYTES,
    REQUEST_LINE_BYTES,
    RequestHead,
    body_length,
    check_head,
)
from veritape.gateway.problems import RefusedError
from veritape.gateway.reasons import Reason

HEAD_LIMIT_BYTES: Final = 65_536
"""Bytes of a head that has no end: above both of its limits."""

AHEAD_BYTES: Final = 65_536
"""Bytes of following requests that are read before their turn."""

DROP_BYTES: Final = 65_536
"""Bytes of an unread body that are dropped to keep a connection."""

HOLD_S: Final = 1.0
"""The shortest time that ``Retry-After`` names to who is refused for load. Who asks again before it, and is refused again, is not
read for so long: he waits in the kernel, where it costs nothing (GW-381)."""

LINGER_S: Final = 2.0
"""Time that a client has to read an answer before its connection is gone."""


class Door(Protocol):
    """What a connection asks of the process."""

    @property
    def answers_within(self) -> bool:
        """Tell whether a request in progress answers the refusal of its own bytes."""
        ...

    def enter(self, host: str | None) -> str | None:
        """Let a connection in and return its group; None when it must stay out."""
        ...

    def leave(self, group: str) -> None:
        """Count a connection out."""
        ...

    def refuse(self, refusal: RefusedError, host: str | None) -> Answer:
        """Return the answer to bytes that are no request, and count it."""
        ...


class RequestProtocol(asyncio.Protocol):
    """A client's connection; uvicorn's server makes one for each and tells it when the server ends."""

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None, *, door: Door, serve: Serve,
        known: KnownHeads | None = None,
    ) -> None:  # fmt: skip
        del app_state
        self._loop = _loop or asyncio.get_running_loop()
        self._server, self._keep_alive_s = server_state, config.timeout_keep_alive
        self._door, self._serve = door, serve
        self._known = KnownHeads() if known is None else known
        self.transport: asyncio.Transport
        self.flow: Flow
        self.peer: tuple[str, int] | None = None
        """The client's address; None on a unix socket."""
        self.origin: From = None, "http"
        self._parser = httptools.HttpRequestParser(self)
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)  # a turn decides when to close
        self._url, self._headers = b"", Headers()
        self._turn: Turn | None = None
        """The present request; the one before while none has begun."""
        self._passage: Underway | None = None
        """The present request while it is on the straight way."""
        self._is_between = False
        """The answer before is complete and nothing of the next request has come: the one after may go straight."""
        self._coming: Way | None = None
        """Of a request whose head has come; it begins once all the bytes that are here are read."""
        self._group: str | None = None
        self._head: Head | None = None
        """Of the request whose bytes are just being read: not of one that was known, for what comes next is another's."""
        self._framing = Framing()
        self._rest = b""
        self._block_bytes = 0
        self._refusal: RefusedError | None = None
        self._timer = RequestTimer(self._loop, self._is_excused, self._late)
        self._idle: Alarm
        self._reading: ReadingWatch
        self._dated_by, self._dated = Headers(), b""
        self._is_over = False
        self._is_refused = False
        self._dropped_bytes = 0
        self._shed_s = -HOLD_S
        """When a request was refused for load last."""

    # Bytes in

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the client in, or close at once when too many are in."""
        self.transport = transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self.flow = Flow(transport)
        self.peer = get_remote_addr(transport)
        self.origin = self.peer[0] if self.peer else None, "https" if is_ssl(transport) else "http"
        self._server.connections.add(self)  # type: ignore[arg-type]
        self._idle = Alarm(self._loop, self._end_idle)
        self._reading = ReadingWatch(self._loop, transport)
        self._group = self._door.enter(self.origin[0])
        if self._group is None:
            self._is_over = True
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of the next request wait for the present one's answer."""
        if self._is_between and self._goes_straight(data):
            return
        self._is_between = False
        if self._is_over or self._is_refused:
            self._drop(len(data))
            return
        if self._framing.part is Part.DONE or self._framing.part is Part.HEAD:
            self._idle.clear()
        self._timer.receive(len(data))
        self._rest = self._rest + data if self._rest else data
        self._advance()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request in progress that its client left."""
        del exc
        self._server.connections.discard(self)
        self._stop_timers()
        if self._group is not None:
            self._door.leave(self._group)
            self._group = None
        self._is_over, self._is_between = True, False
        turn = self._present()
        if turn is not None:
            turn.leave()
        self.flow.resume_writing()

    def _goes_straight(self, data: bytes) -> bool:
        """Begin a request that came whole and alone and is like those before it; False when it goes the ordinary way."""
        head = self._known.get(data)
        way = None if head is None else head.straight.get(self.origin)
        self._passage = passage = None if way is None else way.begin(self)
        if passage is None:
            return way is not None and way.refuse(self)
        self._is_between = False
        self._idle.clear()
        return True

    def _advance(self) -> None:
        """Feed the parser as far as the present request goes, then the next one."""
        while self._rest and not (self._is_over or self._is_refused):
            if self._framing.part is Part.DONE:
                if not self._is_answered():
                    if len(self._rest) > AHEAD_BYTES:
                        self.flow.pause_reading()
                    break
                self._framing.start()
            if not self._framing.head_bytes and self._rest[:2] == b"\r\n":
                self._rest = self._rest[2:]  # an empty line before a request (RFC 9112, section 2.2)
                continue
            if not self._framing.head_bytes and (head := self._known.again(self._rest)) is not None:
                self._rest = b""
                self._begin(head).take_end()
                break
            taken = self._framing.take(self._rest)
            piece, self._rest = self._rest[:taken], self._rest[taken:]
            self._feed(piece)
        if not (self._is_over or self._is_refused):
            self._timer.watch(self._framing)
        way, self._coming = self._coming, None
        if way is not None:
            way.go_on()

    def _is_answered(self) -> bool:
        return self._passage is None and (self._turn is None or self._turn.is_over)

    def _present(self) -> Turn | None:
        """Return the present request, or the one before, as a turn: who asks for it has something unusual to tell."""
        if self._passage is not None:
            self._passage.go_over()
        return self._turn

    def _feed(self, piece: bytes) -> None:
        try:
            self._parser.feed_data(piece)
            self._check_measure(len(piece))
            head, self._head = self._head, None
            if head is not None and len(piece) == self._framing.head_bytes:
                self._known.learn(piece, head)
        except RefusedError as refusal:
            self._refuse(refusal)
        except httptools.HttpParserUpgrade:
            self._refuse(RefusedError(Reason.UPGRADE_NOT_SUPPORTED))
        except httptools.HttpParserError:
            self._refuse(self._refusal or RefusedError(Reason.BAD_REQUEST))

    def _check_measure(self, count: int) -> None:
        """Refuse what the parser does not count.

        Raises:
            RefusedError: a head without end, too many chunk extensions or trailers.
        """
        framing = self._framing
        if framing.part is Part.HEAD and framing.head_bytes > HEAD_LIMIT_BYTES:
            raise RefusedError(Reason.HEADERS_TOO_LARGE)
        if framing.is_excessive:
            raise RefusedError(Reason.BAD_REQUEST, "at most 256 bytes of chunk extensions")
        if framing.trailer_bytes > TRAILERS_BYTES:
            raise RefusedError(Reason.HEADERS_TOO_LARGE)
        if self._turn is not None and self._turn.is_over and framing.part is not Part.HEAD:
            self._dropped_bytes += count
            if self._dropped_bytes > DROP_BYTES:
                self._end()

    # What the parser calls

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._url, self._headers, self._block_bytes = b"", [], 0

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._url += url
        if len(self._url) + LINE_EXTRA_BYTES > REQUEST_LINE_BYTES:
            self._stop(RefusedError(Reason.URI_TOO_LONG))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field."""
        name, size = name.lower(), len(name) + len(value)
        self._headers.append((name, value))
        self._block_bytes += size + FIELD_EXTRA_BYTES
        if size > FIELD_BYTES or self._block_bytes > BLOCK_BYTES or len(self._headers) > FIELDS:
            self._stop(RefusedError(Reason.HEADERS_TOO_LARGE))

    def on_headers_complete(self) -> None:
        """Check the head and start the turn."""
        try:
            self._start()
        except RefusedError as refusal:
            self._stop(refusal)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body, unless its answer is complete."""
        if self._turn is not None and not self._turn.is_over:
            self._turn.take(body)

    def on_message_complete(self) -> None:
        """Note the end of the body."""
        if self._turn is not None and not self._turn.is_over:
            self._turn.take_end()

    def _stop(self, refusal: RefusedError) -> NoReturn:
        """Stop the parser, which hides the exception of a callback."""
        self._refusal = refusal
        raise refusal

    def _start(self) -> None:
        version, method = self._parser.get_http_version(), self._parser.get_method().decode("ascii")
        headers = self._headers
        path, query = check_head(RequestHead(method, self._url, version, headers))
        call = Call(method, "", query, headers, path)
        keeps = version == "1.1" and self._parser.should_keep_alive()
        asks = version == "1.1" and b"expect" in call.fields
        self._head = Head(call, version, body_length(headers), keeps, asks)
        self._begin(self._head)

    def _begin(self, head: Head) -> Turn:
        """Begin the turn of a request and return it."""
        length = head.length
        self._framing.expect_body(length)
        self._dropped_bytes = 0
        self._idle.clear()
        if length != 0:
            self._timer.expect_body()
        turn, self._coming = self._turn_of(head, self._serve)
        return turn

    def _turn_of(self, head: Head, serve: Serve) -> tuple[Turn, Way]:
        """Make the turn of a request, and the way that it goes."""
        self._turn = turn = Turn(self, head)
        turn.departure.owner = way = Way(turn.run(serve), self._over)
        self._server.tasks.add(cast("asyncio.Task[None]", way))  # it is cancelled like one
        return turn, way

    def learn_way(self, head: Head, way: Straight) -> None:
        """Remember how requests with a head go straight from this end."""
        self._known.learn_way(head, self.origin, way)

    def take_over(self, head: Head, serve: Serve) -> None:
        """Serve a request that left the straight way, from here on as a turn."""
        self._passage = None
        turn, way = self._turn_of(head, serve)
        turn.take_end()
        way.go_on()

    def _over(self, way: Way) -> None:
        self._server.tasks.discard(cast("asyncio.Task[None]", way))

    # Answers out

    def dated(self) -> bytes:
        """Return the lines that every answer has: the date, which the server writes anew each second."""
        fields = self._server.default_headers
        if fields is not self._dated_by:
            self._dated_by, self._dated = fields, header_lines(fields)
        return self._dated

    def turn_over(self, turn: Ended) -> None:
        """Go on with the next request, or end the connection when the answer said so."""
        self._timer.end_body()
        unread = self._framing.part is not Part.DONE
        if turn.closes or (unread and not self._may_drop(turn)):
            self._server.total_requests += 1
            self._end()
        else:
            is_held = turn.is_shed and self._came_too_soon()
            self._expect_next(LINGER_S if unread else self._keep_alive_s, is_held=is_held)

    def passage_over(self, *, is_shed: bool = False) -> None:
        """Go on with the next request."""
        self._passage = None
        self._expect_next(self._keep_alive_s, is_held=is_shed and self._came_too_soon())

    def _expect_next(self, seconds: float, *, is_held: bool = False) -> None:
        """Give the next request so long to begin; what came of it already is looked at in the loop's next turn, or in a while."""
        self._server.total_requests += 1
        if self.transport.is_closing():
            return
        self._idle.set(self._loop.time() + seconds)
        if is_held:
            self._hold()
            return
        self._is_between = self._framing.part is Part.DONE and not self._rest
        self.flow.resume_reading()
        if self._rest:
            self._loop.call_soon(self._advance)

    def _came_too_soon(self) -> bool:
        """Tell whether the request before was refused for load a moment ago too.

        A trusted proxy, which has no group, may always come: its connections carry many callers.
        """
        now_s, before_s = self._loop.time(), self._shed_s
        self._shed_s = now_s
        return bool(self._group) and now_s - before_s < HOLD_S

    def _hold(self) -> None:
        """Read on in a while."""
        self.flow.pause_reading()
        self._timer.stop()
        self._timer.after(HOLD_S, self._read_on)

    def _read_on(self) -> None:
        self._timer.stop()
        self.flow.resume_reading()
        self._advance()

    def _may_drop(self, turn: Ended) -> bool:
        """Tell whether the rest of a body that nobody read may come and be dropped (GW-555)."""
        return turn.was_asked and self._framing.left <= DROP_BYTES

    def shutdown(self) -> None:
        """Finish what is in progress; the server ends. A request that has not come whole is told so."""
        turn = self._present()
        if turn is not None and not turn.is_over:
            turn.close_after()
        elif self._framing.part is Part.HEAD and self._framing.head_bytes:
            self._refuse(RefusedError(Reason.DRAINING))
        elif not self._is_over:
            self.transport.close()

    def _refuse(self, refusal: RefusedError) -> None:
        """Have bytes that are no request answered: by the request that they belong to, if it is in progress."""
        turn, within = self._present(), self._door.answers_within
        if turn is None or turn.is_over:
            self._write_refusal(refusal)
        elif not turn.refuse(refusal, within):  # half of an answer cannot become a refusal
            self._is_over = True
            self.transport.abort()
        elif within:
            self._is_refused, self._rest = True, b""
            self._stop_timers()
            self.flow.pause_reading()
        else:
            self._write_refusal(refusal)

    def _write_refusal(self, refusal: RefusedError) -> None:
        self.transport.write(encoded(self._door.refuse(refusal, self.origin[0])))
        self._end()

    def _end(self) -> None:
        """Close so that the client can read the answer: no more is written, what it still sends is dropped."""
        if self._is_over:
            return
        self._is_over, self._is_between, self._dropped_bytes, self._rest = True, False, 0, b""
        self._stop_timers()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._timer.after(LINGER_S, self.transport.abort)

    def _drop(self, count: int) -> None:
        self._dropped_bytes += count
        if self._dropped_bytes > DROP_BYTES:
            self.transport.abort()

    # Time

    def pause_writing(self) -> None:
        """Begin to look whether the client reads."""
        self.flow.pause_writing()
        self._reading.start()

    def resume_writing(self) -> None:
        """Stop looking."""
        self.flow.resume_writing()
        self._reading.stop()

    def _end_idle(self) -> None:
        """End an idle connection; one whose client does not read is cut."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def _is_excused(self) -> bool:
        """Tell whether a body is late because we let its client wait."""
        return self.flow.is_reading_paused or (self._turn is not None and self._turn.waits_to_be_asked)

    def _late(self) -> None:
        self._refuse(RefusedError(Reason.REQUEST_TIMEOUT))

    def _stop_timers(self) -> None:
        self._timer.stop()
        self._idle.stop()
        self._reading.stop()
