"""A request on its way through an upstream: sent, perhaps retried, its answer relayed piece by piece (GW-554, GW-581 to 584)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Final, NamedTuple

from veritape.gateway.adapters.departure import ClientLeftError
from veritape.gateway.adapters.target_pool import Place, TargetPool
from veritape.gateway.adapters.upstream_connection import FIRST_BYTE_S, AnswerHead, UpstreamConnection
from veritape.gateway.adapters.upstream_pool import UpstreamPool
from veritape.gateway.balance import may_retry
from veritape.gateway.problems import RefusedError
from veritape.gateway.reasons import Reason
from veritape.gateway.upstream_failures import UpstreamFailedError
from veritape.kernel.clock import Clock

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
"""ASGI's receive."""


class AnswerCutError(Exception):
    """An answer that had begun cannot be completed: the client's connection is closed to say so."""


class Forwarded(NamedTuple):
    """A request for an upstream."""

    method: str
    head: Callable[[str], bytes]
    """Returns the head for a target's authority."""
    body: bytes | None
    """The whole body, if it was read; None when it streams or there is none."""
    length: int | None
    """Announced length of a streaming body; None when it is chunked."""
    streams: bool
    """The body comes from ``receive``."""
    body_max_bytes: int
    timeout_s: int


class Body:
    """The client's body, as it comes."""

    def __init__(self, receive: Receive, limit_bytes: int) -> None:
        self._receive, self._left = receive, limit_bytes
        self.has_begun = False
        """A byte of it was taken."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield its pieces.

        Raises:
            RefusedError: ``body_too_large``.
            ClientLeftError: it ends too early.
        """
        more = True
        while more:
            message = await self._receive()
            if message["type"] != "http.request":
                raise ClientLeftError
            chunk, more = message.get("body", b""), message.get("more_body", False)
            self._left -= len(chunk)
            if self._left < 0:
                raise RefusedError(Reason.BODY_TOO_LARGE, fields={"Connection": "close"})
            if chunk:
                self.has_begun = True
                yield chunk


async def whole_body(receive: Receive, limit_bytes: int) -> bytes:
    """Return the client's body, all of it.

    Raises:
        RefusedError: ``body_too_large``; the rest is not read.
        ClientLeftError: it ends too early.
    """
    return b"".join([chunk async for chunk in Body(receive, limit_bytes).chunks()])


class Begun(NamedTuple):
    """A request that was led to a target before its exchange was made; it has no body."""

    target: TargetPool
    """Among whose requests in progress it counts."""
    connection: UpstreamConnection | None
    """Where it was written; None: it was not."""
    place: Place | None
    """Where it waited for a connection, in turn with others."""
    began_ns: int
    """Monotonic clock when it was led there."""
    asked_s: float
    """The loop's clock then."""
    head: AnswerHead | None
    """Of the answer, once it is here and was noted."""


class Exchange:
    """One request and its answer, over one or two attempts."""

    __slots__ = (
        "_begun", "_body", "_clock", "_connection", "_deadline", "_loop", "_pool", "_request", "_sending", "_target", "began_ns",
    )  # fmt: skip

    def __init__(self, pool: UpstreamPool, request: Forwarded, receive: Receive, clock: Clock) -> None:
        self._pool, self._request, self._clock = pool, request, clock
        self._body = Body(receive, request.body_max_bytes)
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + request.timeout_s
        self._sending: asyncio.Task[None] | None = None
        self._target: TargetPool | None = None
        self._connection: UpstreamConnection | None = None
        self._begun: Begun | None = None
        self.began_ns = clock.monotonic_ns()
        """Monotonic clock at the beginning of the last attempt."""

    async def answer(self) -> AnswerHead:
        """Return the answer as soon as its head is there; ``close`` must follow.

        Raises:
            RefusedError: no target answered, or the body is too large.
            ClientLeftError: the client left while it sent.
        """
        try:
            head = await (self._first() if self._begun is None else self._answered(self._begun))
        except UpstreamFailedError as failure:
            tried = self._target
            self.close()
            if tried is None or not self._may_retry(failure) or not self._pool.take_retry():
                raise RefusedError(failure.reason) from failure
            try:
                head = await self._attempt(tried)
            except UpstreamFailedError as second:
                raise RefusedError(second.reason if self._target else failure.reason) from second
        return head

    def adopt(self, begun: "Begun") -> None:
        """Go on with a request that was led to a target already."""
        self._begun, self._target, self._connection = begun, begun.target, begun.connection
        self.began_ns, self._deadline = begun.began_ns, begun.asked_s + self._request.timeout_s

    def rest(self) -> bytes | None:
        """Return what is left of the answer's body if all of it has come; None when ``read`` has to wait for it."""
        return None if self._connection is None else self._connection.rest()

    async def read(self) -> bytes:
        """Return the next piece of the answer's body, empty at its end.

        Raises:
            AnswerCutError: it was cut off.
        """
        if self._connection is None:
            raise AnswerCutError("the exchange is closed")
        try:
            return await self._connection.read(self._until_s())
        except UpstreamFailedError as failure:
            raise AnswerCutError(failure.reason.value) from failure

    def close(self) -> None:
        """Give the connection back, or throw it away when request or answer is not complete."""
        sending, self._sending = self._sending, None
        if sending is not None and not sending.cancel() and not sending.cancelled():
            sending.exception()  # the answer came first: what became of the body is of no interest
        target, connection = self._target, self._connection
        self._target = self._connection = None
        if target is not None:
            target.in_flight -= 1
            if connection is not None:
                target.release(connection)

    async def _first(self) -> AnswerHead:
        self._pool.begin()
        return await self._attempt(None)

    async def _answered(self, begun: "Begun") -> AnswerHead:
        """Wait for the head of the answer to a request that was led to a target already."""
        if begun.head is not None:
            return begun.head
        try:
            if begun.connection is not None:
                head = await begun.connection.head(self._until_s())
            else:
                head = await self._head_from(begun.target, begun.place)
        except UpstreamFailedError as failure:
            self._note(None, failure)
            raise
        self._note(head.status, None)
        return head

    async def _attempt(self, tried: TargetPool | None) -> AnswerHead:
        """Send the request to a target and wait for the head of its answer."""
        self._target = target = self._pool.choose(tried)
        target.in_flight += 1
        self.began_ns = self._clock.monotonic_ns()
        try:
            head = await self._head_from(target, None)
        except UpstreamFailedError as failure:
            self._note(None, failure)
            raise
        self._note(head.status, None)
        return head

    async def _head_from(self, target: TargetPool, place: Place | None) -> AnswerHead:
        request = self._request
        self._connection = connection = await target.acquire(self._deadline, place)
        has_body = request.streams or bool(request.body)
        connection.begin(request.method, request.head(target.authority), has_body=has_body)
        return await (self._send_and_wait(connection) if has_body else connection.head(self._until_s()))

    async def _send_and_wait(self, connection: UpstreamConnection) -> AnswerHead:
        """Send the body until the answer begins; it may begin before the body has ended."""
        self._sending = sending = asyncio.create_task(self._send(connection))
        waiting = asyncio.create_task(connection.head(self._until_s()))
        try:
            await asyncio.wait((waiting, sending), return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and not waiting.done():
                sending.result()
            return await waiting
        finally:
            waiting.cancel()

    async def _send(self, connection: UpstreamConnection) -> None:
        """Send the body; the faster side waits for the slower one."""
        request = self._request
        is_chunked = request.body is None and request.length is None
        pieces = self._body.chunks() if request.body is None else _whole(request.body)
        async for piece in pieces:
            await connection.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
        if is_chunked:
            await connection.write(b"0\r\n\r\n")
        connection.request_ended = True

    def _until_s(self) -> float:
        """Return until when the target may be silent."""
        return min(self._loop.time() + FIRST_BYTE_S, self._deadline)

    def _may_retry(self, failure: UpstreamFailedError) -> bool:
        return (
            may_retry(
                self._request.method,
                request_begun=failure.request_begun,
                body_begun=self._body.has_begun,
                answer_begun=failure.answer_begun,
            )
            and len(self._pool.targets) > 1
        )

    def _note(self, status: int | None, failure: UpstreamFailedError | None) -> None:
        if self._target is not None:
            self._pool.ended(self._target, self.began_ns, status, failure)


async def _whole(body: bytes) -> AsyncIterator[bytes]:
    yield body


LEFT: Final = 499
"""Status in logs and figures when the client left."""
