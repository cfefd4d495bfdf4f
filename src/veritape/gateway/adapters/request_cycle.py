"""One request and its answer on a connection: uvicorn's cycle, with what HTTP/1.0 and early ends need (GW-554, GW-555)."""

from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from veritape.gateway.adapters.departure import ClientLeftError, departure_of
from veritape.gateway.adapters.proxy import AnswerCutError
from veritape.gateway.answers import Answer
from veritape.gateway.problems import RefusedError

HTTP_PHRASES: Final = {
    400: "Bad Request",
    408: "Request Timeout",
    414: "URI Too Long",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}
"""Reason phrases of refusals."""


class Cycle(RequestResponseCycle):
    """One request and its answer."""

    closes = False
    """The connection ends after this answer, once the client could read it."""
    was_asked = True
    """The client was told to send the body that it announced."""

    @property
    def is_open(self) -> bool:
        """Tell whether the answer is still to be completed."""
        return not self.response_complete

    def end(self, cause: Exception) -> None:
        """Tell the application that nobody waits for the answer: the client left."""
        if self.is_open:
            departure_of(self.scope).end(cause)  # type: ignore[arg-type]

    def refuse(self, refusal: RefusedError, by_application: bool) -> bool:
        """End the request for a refusal that it answers itself, or that the connection answers; False when its answer has begun."""
        if self.response_started:
            self.end(ClientLeftError())
            return False
        self.end(refusal if by_application else ClientLeftError())
        self.disconnected = not by_application
        self.keep_alive = False
        self.message_event.set()
        return True

    async def receive(self) -> Any:
        """Return a part of the body; one that was refused ends."""
        departure = departure_of(self.scope)  # type: ignore[arg-type]
        message = await super().receive() if departure.cause is None else None
        return message if departure.cause is None else {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """Write a part of the answer; HTTP/1.0 gets no chunks."""
        is_start = message["type"] == "http.response.start"
        if not is_start and not self.keep_alive:
            self.closes, self.keep_alive = True, True
        if is_start and self.waiting_for_100_continue:
            self.was_asked = False
        if is_start and self.scope["http_version"] == "1.0" and not _has_length(message):
            self.chunked_encoding = False
            self.expected_content_length = 1 << 62
        if not is_start and self.expected_content_length > 1 << 61 and not message.get("more_body", False):
            self.expected_content_length = len(message.get("body", b""))
        await super().send(message)

    async def run_asgi(self, app: Any) -> None:
        """Run the application; an answer that cannot be completed ends the connection, which tells the client."""

        async def guarded(scope: Any, receive: Any, send: Any) -> None:
            try:
                await app(scope, receive, send)
            except AnswerCutError:
                self.disconnected = True
                self.transport.abort()

        await super().run_asgi(guarded)


def encoded(answer: Answer) -> bytes:
    """Return an answer as bytes that end a connection."""
    reason = HTTP_PHRASES.get(answer.status, "")
    fields = [*answer.fields, ("Content-Length", str(len(answer.body)))]
    lines = [f"HTTP/1.1 {answer.status} {reason}", *(f"{name}: {value}" for name, value in fields)]
    lines += [] if any(name == "Connection" for name, _ in fields) else ["Connection: close"]
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + answer.body


def _has_length(message: Any) -> bool:
    return any(name.lower() == b"content-length" for name, _ in message.get("headers", []))
