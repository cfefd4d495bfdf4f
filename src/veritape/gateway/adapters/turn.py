"""One request and its answer on a client's connection: the body as it comes, the answer as the client understands it (GW-554, GW-555).

The gateway takes a turn as it is. Any other application gets it as ASGI has it: ``scope``, ``receive`` and ``send``.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote

from veritape.gateway.adapters.client_line import Head, Line
from veritape.gateway.adapters.departure import KEY, ClientLeftError, Departure
from veritape.gateway.adapters.proxy import AnswerCutError
from veritape.gateway.answers import BODILESS, Answer, header_lines
from veritape.gateway.problems import RefusedError

Serve = Callable[["Turn"], Awaitable[None]]
"""Answers a turn."""

KEPT_BYTES: Final = 65_536
"""Bytes of a body that wait for who reads it before the client is paused."""

STATUS_LINES: Final = {one.value: f"HTTP/1.1 {one.value} {one.phrase}\r\n".encode() for one in HTTPStatus}
"""Status -> first line of an answer, with its end."""

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
"""Tells a client that asked to send its body."""

_log = logging.getLogger("veritape.gateway")


class Turn:
    """One request and its answer."""

    __slots__ = (
        "_body", "_has_body", "_is_chunked", "_is_news", "_keeps", "_left", "_more", "_version", "_waiter", "call", "closes",
        "departure", "has_begun", "head", "is_gone", "is_over", "is_shed", "line", "waits_to_be_asked", "was_asked",
    )  # fmt: skip

    def __init__(self, line: Line, head: Head) -> None:
        """Begin the turn of a request with a head, on a connection."""
        self.head, self.call, self.departure = head, head.call, Departure()
        self.line, self._version, self._keeps = line, head.version, head.keeps
        self.waits_to_be_asked = head.asks
        """The client has not been told yet to send its body."""
        self.was_asked = True
        """The client was told to send the body that it announced."""
        self.has_begun = self.is_over = self.is_gone = self.closes = False
        """The answer has begun, it is complete, nobody will get it, the connection ends after it."""
        self.is_shed = False
        """It is refused because we are too busy; the client is told when to come back."""
        self._body, self._more, self._is_news = bytearray(), True, False
        self._waiter: asyncio.Future[None] | None = None
        self._has_body = self._is_chunked = False
        self._left: int | None = None
        """Bytes of the answer's body that were announced and are still to come; None when no length was."""

    @property
    def host(self) -> str | None:
        """Return the address at the other end; None on a unix socket."""
        return self.line.origin[0]

    @property
    def scheme(self) -> str:
        """Return ``http`` or ``https``."""
        return self.line.origin[1]

    async def run(self, serve: Serve) -> None:
        """Have the turn answered; an answer that cannot be completed ends the connection, which tells the client."""
        try:
            await serve(self)
        except AnswerCutError:
            self._cut()
        except asyncio.CancelledError:
            await self._fail()
            raise
        except Exception:  # noqa: BLE001 - the top of a request: logged and answered
            _log.exception("a request failed")
            await self._fail()
        else:
            if not (self.is_over or self.is_gone):
                _log.error("a request was left without its whole answer")
                await self._fail()

    # The body

    def take(self, piece: bytes) -> None:
        """Take a piece of the body."""
        self._body += piece
        if len(self._body) > KEPT_BYTES:
            self.line.flow.pause_reading()
        self.wake()

    def take_end(self) -> None:
        """Note the end of the body."""
        self._more = False
        self.wake()

    async def receive(self) -> MutableMapping[str, Any]:
        """Return a part of the body as ASGI has it; one that was refused ends."""
        if self.waits_to_be_asked and not self.is_gone and self.departure.cause is None:
            self.waits_to_be_asked = False
            self.line.transport.write(CONTINUE)
        if not (self._is_news or self._ends()):
            self.line.flow.resume_reading()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        self._is_news = False
        if self._ends():
            return {"type": "http.disconnect"}
        self.line.flow.resume_reading()
        body, self._body = bytes(self._body), bytearray()
        return {"type": "http.request", "body": body, "more_body": self._more}

    def wake(self) -> None:
        """Tell who waits for the body that there is news."""
        self._is_news = True
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _ends(self) -> bool:
        return self.is_gone or self.is_over or self.departure.cause is not None

    # The answer

    async def whole(self, status: int, lines: bytes, body: bytes) -> None:
        """Write an answer that is there as a whole."""
        head = self._head(status, lines, len(body))
        if not self.is_gone:
            self.line.transport.write(head + body if self._has_body else head)
            self._complete()

    async def begin(self, status: int, lines: bytes, length: int | None) -> None:
        """Write the head of an answer.

        Args:
            status: its status.
            lines: header lines, but for those that frame its body.
            length: of its body; None when that is not known, or when it has none.
        """
        head, self._left = self._head(status, lines, length), length
        if not self.is_gone:
            self.line.transport.write(head)

    async def write(self, piece: bytes) -> None:
        """Write a piece of the body; wait while the client does not read."""
        if self.is_gone or not self._has_body:
            return
        if self._left is not None:
            self._left -= len(piece)
            if self._left < 0:
                raise RuntimeError("an answer is longer than it said")
        self.line.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self._is_chunked else piece)
        await self.line.flow.until_writable()

    async def end(self) -> None:
        """Complete the answer."""
        if self.is_gone:
            return
        if self._has_body and self._left:
            raise RuntimeError("an answer is shorter than it said")
        if self._is_chunked:
            self.line.transport.write(b"0\r\n\r\n")
        self._complete()

    def close_after(self) -> None:
        """Let this be the last request of its connection."""
        self._keeps = False

    def shed(self) -> None:
        """Note that the request is refused because we are too busy."""
        self.is_shed = True

    def _head(self, status: int, lines: bytes, length: int | None) -> bytes:
        """Return an answer's head, and note how its body is framed; HTTP/1.0 gets no chunks."""
        if self.waits_to_be_asked:
            self.waits_to_be_asked = self.was_asked = False
        self.has_begun = True
        self._has_body = self.call.method != "HEAD" and status not in BODILESS
        self._is_chunked = self._has_body and length is None and self._version == "1.1"
        head = (STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status) + self.line.dated() + lines
        says_close = b"\r\nconnection: close\r\n" in head
        self.closes = says_close or not self._keeps or self._version == "1.0"
        if length is not None and status not in BODILESS:
            head += b"content-length: %d\r\n" % length
        elif self._is_chunked:
            head += b"transfer-encoding: chunked\r\n"
        return head + (b"connection: close\r\n\r\n" if self.closes and not says_close else b"\r\n")

    def _complete(self) -> None:
        self.is_over = True
        self.wake()
        self.line.turn_over(self)

    # Its early end

    def leave(self) -> None:
        """Note that the client is gone."""
        if not self.is_over:
            self.departure.end(ClientLeftError())
            self.is_gone = True
        self.wake()

    def refuse(self, refusal: RefusedError, by_application: bool) -> bool:
        """End the request for a refusal that it answers itself, or that the connection answers; False when its answer has begun."""
        if self.has_begun:
            self.departure.end(ClientLeftError())
            return False
        self.departure.end(refusal if by_application else ClientLeftError())
        self.is_gone = not by_application
        self._keeps = False
        self.wake()
        return True

    async def _fail(self) -> None:
        """Answer 500 if nothing was answered yet."""
        if self.has_begun or self.is_gone:
            self._cut()
        else:
            lines = b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
            await self.whole(HTTPStatus.INTERNAL_SERVER_ERROR, lines, b"Internal Server Error")

    def _cut(self) -> None:
        self.is_gone = True
        self.line.transport.abort()

    # As ASGI has it

    @property
    def scope(self) -> MutableMapping[str, Any]:
        """Return the request as ASGI has it."""
        call = self.call
        return {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": self._version,
            "server": self.line.transport.get_extra_info("sockname"), "client": self.line.peer, "scheme": self.scheme,
            "method": call.method, "root_path": "", "path": unquote(call.raw_path.decode("ascii")), "raw_path": call.raw_path,
            "query_string": call.query, "headers": [*call.headers], "state": {}, KEY: self.departure,
        }  # fmt: skip

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Take a part of the answer as ASGI has it."""
        if message["type"] == "http.response.start":
            fields = [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers", [])]
            lengths = [int(value) for name, value in fields if name == b"content-length"]
            framing = {b"content-length", b"transfer-encoding"}
            kept = [field for field in fields if field[0] not in framing]
            await self.begin(message["status"], header_lines(kept), lengths[0] if lengths else None)
            return
        if piece := message.get("body", b""):
            await self.write(piece)
        if not message.get("more_body", False):
            await self.end()


def encoded(answer: Answer) -> bytes:
    """Return an answer as bytes that end a connection."""
    fields = [*answer.fields, ("Content-Length", str(len(answer.body)))]
    lines = [STATUS_LINES[answer.status].decode().rstrip(), *(f"{name}: {value}" for name, value in fields)]
    lines += [] if any(name == "Connection" for name, _ in fields) else ["Connection: close"]
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + answer.body
