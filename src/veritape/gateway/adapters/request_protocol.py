"""One connection of a client: uvicorn's httptools protocol, strict where the parser is lenient, patient with nobody (GW-551 to 555).

One request at a time: the next one's bytes wait until the answer of the present one is complete; up to a bound they are read,
because only who reads sees that a client left. A refusal of bytes is a problem document like any other and closes the connection,
because what follows cannot be trusted to be a request.
"""

import asyncio
import urllib.parse
from collections.abc import Callable
from typing import Any, Final, Protocol

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from veritape.gateway.adapters.departure import ClientLeftError
from veritape.gateway.adapters.reading_watch import ReadingWatch
from veritape.gateway.adapters.request_cycle import Cycle, encoded
from veritape.gateway.answers import Answer
from veritape.gateway.framing import TRAILERS_BYTES, Framing, Part
from veritape.gateway.http_rules import FIELD_EXTRA_BYTES, RequestHead, body_length, check_head, check_size
from veritape.gateway.pace import BodyPace
from veritape.gateway.problems import RefusedError
from veritape.gateway.reasons import Reason

HEAD_S: Final = 10.0
"""Longest time from the first byte of a request to the end of its head."""

HEAD_LIMIT_BYTES: Final = 65_536
"""Bytes of a head that has no end: above both of its limits."""

AHEAD_BYTES: Final = 65_536
"""Bytes of following requests that are read before their turn."""

DROP_BYTES: Final = 65_536
"""Bytes of an unread body that are dropped to keep a connection."""

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


class RequestProtocol(HttpToolsProtocol):
    """A client's connection."""

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None, *, door: Door,
    ) -> None:  # fmt: skip
        super().__init__(config, server_state, app_state, _loop)
        self._door = door
        self._group: str | None = None
        self._framing = Framing()
        self._rest = b""
        self._block_bytes = 0
        self._refusal: RefusedError | None = None
        self._pace: BodyPace | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reading: ReadingWatch | None = None
        self._is_over = False
        self._is_refused = False
        self._dropped_bytes = 0

    # Bytes in

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let the client in, or close at once when too many are in."""
        super().connection_made(transport)
        self._reading = ReadingWatch(self.loop, transport)
        self._group = self._door.enter(self.client[0] if self.client else None)
        if self._group is None:
            self._is_over = True
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of the next request wait for the present one's answer."""
        if self._is_over or self._is_refused:
            self._drop(len(data))
            return
        if self._framing.part in {Part.HEAD, Part.DONE}:
            self._unset_keepalive_if_required()
        if self._pace is not None:
            self._pace.receive(len(data), self.loop.time())
        self._rest += data
        self._advance()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request in progress that its client left."""
        self._stop_timers()
        if self._group is not None:
            self._door.leave(self._group)
            self._group = None
        self._is_over = True
        self._leave()
        super().connection_lost(exc)

    def _leave(self) -> None:
        """Cancel the request in progress as far as it may be cancelled."""
        if isinstance(self.cycle, Cycle):
            self.cycle.end(ClientLeftError())

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
            taken = self._framing.take(self._rest)
            piece, self._rest = self._rest[:taken], self._rest[taken:]
            self._feed(piece)
        self._watch()

    def _is_answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _feed(self, piece: bytes) -> None:
        try:
            self.parser.feed_data(piece)
            self._check_measure(len(piece))
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
        if self.cycle is not None and self.cycle.response_complete and framing.part is not Part.HEAD:
            self._dropped_bytes += count
            if self._dropped_bytes > DROP_BYTES:
                self._end()

    # What the parser calls

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._block_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        super().on_url(url)
        self._checked(lambda: check_size(self.url, self.headers, 0))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field."""
        super().on_header(name, value)
        self._block_bytes += len(name) + len(value) + FIELD_EXTRA_BYTES
        self._checked(lambda: check_size(self.url, self.headers, self._block_bytes))

    def on_headers_complete(self) -> None:
        """Check the head and start the application."""
        self._checked(self._start)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body, unless its answer is complete."""
        if self.cycle is not None and not self.cycle.response_complete:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of the body."""
        if self.cycle is not None and not self.cycle.response_complete:
            super().on_message_complete()

    def _checked(self, step: Callable[[], None]) -> None:
        """Run a step; a refusal stops the parser, which hides the exception of a callback."""
        try:
            step()
        except RefusedError as refusal:
            self._refusal = refusal
            raise

    def _start(self) -> None:
        version, method = self.parser.get_http_version(), self.parser.get_method().decode("ascii")
        path, query = check_head(RequestHead(method, self.url, version, self.headers))
        length = body_length(self.headers)
        self._framing.expect_body(length)
        self.scope["method"], self.scope["http_version"] = method, version
        self.scope["raw_path"], self.scope["query_string"] = path, query
        self.scope["path"] = urllib.parse.unquote(path.decode("ascii"))
        self._dropped_bytes = 0
        self._unset_keepalive_if_required()
        self.cycle = Cycle(
            scope=self.scope, transport=self.transport, flow=self.flow, logger=self.logger,
            access_logger=self.access_logger, access_log=False, default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(), expect_100_continue=self.expect_100_continue and version == "1.1",
            keep_alive=version == "1.1" and self.parser.should_keep_alive(), on_response=self.on_response_complete,
        )  # fmt: skip
        if length != 0:
            now_s = self.loop.time()
            self._pace = BodyPace(now_s, now_s)
        self._start_asgi_task(self.cycle, self.app)

    # Answers out

    def on_response_complete(self) -> None:
        """Go on with the next request, or end the connection when the answer said so."""
        self.server_state.total_requests += 1
        self._pace = None
        cycle = self.cycle
        unread = self._framing.part is not Part.DONE
        if not isinstance(cycle, Cycle) or cycle.closes or (unread and not self._may_drop(cycle)):
            self._end()
            return
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        self.timeout_keep_alive_task = self.loop.call_later(
            LINGER_S if unread else self.timeout_keep_alive, self.timeout_keep_alive_handler
        )
        if self._rest:
            self.loop.call_soon(self._advance)

    def _may_drop(self, cycle: Cycle) -> bool:
        """Tell whether the rest of a body that nobody read may come and be dropped (GW-555)."""
        return cycle.was_asked and self._framing.left <= DROP_BYTES

    def shutdown(self) -> None:
        """Finish what is in progress; the server ends. A request that has not come whole is told so."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        elif self._framing.part is Part.HEAD and self._framing.head_bytes:
            self._refuse(RefusedError(Reason.DRAINING))
        elif not self._is_over:
            self.transport.close()

    def _refuse(self, refusal: RefusedError) -> None:
        """Have bytes that are no request answered: by the request that they belong to, if it is in progress."""
        cycle = self.cycle
        if not isinstance(cycle, Cycle) or cycle.response_complete:
            self._write_refusal(refusal)
        elif not cycle.refuse(
            refusal, self._door.answers_within
        ):  # half of an answer cannot become a refusal
            self._is_over = True
            self.transport.abort()
        elif self._door.answers_within:
            self._is_refused, self._rest = True, b""
            self._stop_timers()
            self.flow.pause_reading()
        else:
            self._write_refusal(refusal)

    def _write_refusal(self, refusal: RefusedError) -> None:
        self.transport.write(encoded(self._door.refuse(refusal, self.client[0] if self.client else None)))
        self._end()

    def _end(self) -> None:
        """Close so that the client can read the answer: no more is written, what it still sends is dropped."""
        if self._is_over:
            return
        self._is_over, self._dropped_bytes, self._rest = True, 0, b""
        self._stop_timers()
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER_S, self.transport.abort)

    def _drop(self, count: int) -> None:
        self._dropped_bytes += count
        if self._dropped_bytes > DROP_BYTES:
            self.transport.abort()

    # Time

    def pause_writing(self) -> None:
        """Begin to look whether the client reads."""
        super().pause_writing()
        if self._reading is not None:
            self._reading.start()

    def resume_writing(self) -> None:
        """Stop looking."""
        super().resume_writing()
        if self._reading is not None:
            self._reading.stop()

    def timeout_keep_alive_handler(self) -> None:
        """End an idle connection; one whose client does not read is cut."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def _watch(self) -> None:
        """Set the timer of a head or body that is not complete."""
        part = self._framing.part
        if self._is_over or self._is_refused:
            return
        if part is Part.DONE or (part is Part.HEAD and not self._framing.head_bytes):
            self._stop_timer()
        elif part is Part.HEAD:
            if self._timer is None:
                self._timer = self.loop.call_later(HEAD_S, self._late)
        elif self._pace is not None:
            self._stop_timer()
            self._timer = self.loop.call_at(self._pace.due_s(), self._look_at_body)

    def _look_at_body(self) -> None:
        self._timer, pace, now_s = None, self._pace, self.loop.time()
        if pace is None or self._framing.part is Part.DONE:
            return
        if self.flow.read_paused or self.cycle.waiting_for_100_continue:
            pace.excuse(now_s)
        if pace.is_late(now_s):
            self._late()
            return
        self._timer = self.loop.call_at(pace.due_s(), self._look_at_body)

    def _late(self) -> None:
        self._timer = None
        self._refuse(RefusedError(Reason.REQUEST_TIMEOUT))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_timers(self) -> None:
        self._stop_timer()
        if self._reading is not None:
            self._reading.stop()
