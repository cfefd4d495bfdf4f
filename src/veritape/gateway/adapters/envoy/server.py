"""The gRPC server of Envoy's two services: calls of one message over HTTP/2, on the event loop that decides (GW-611)."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, cast

from google.protobuf.message import DecodeError

from veritape.gateway.adapters.decision_desk import Desk
from veritape.gateway.adapters.envoy.authorization import Authorization
from veritape.gateway.adapters.envoy.limits import RateLimits
from veritape.gateway.adapters.envoy.messages_pb2 import RateLimitRequest
from veritape.gateway.adapters.envoy.straight_check import Caught
from veritape.gateway.rpc_answers import RpcStatus
from veritape.gateway.rpc_connection import RpcConnection
from veritape.gateway.rpc_messages import Call
from veritape.gateway.usage_metrics import LetThrough
from veritape.kernel.addresses import Address
from veritape.kernel.listeners import bind

LIMITS_SERVICE: Final = "envoy.service.ratelimit.v3.RateLimitService"
AUTHORIZATION_SERVICE: Final = "envoy.service.auth.v3.Authorization"
"""Names of the services in Envoy's API v3."""

_LIMIT: Final = f"/{LIMITS_SERVICE}/ShouldRateLimit".encode()
_CHECK: Final = f"/{AUTHORIZATION_SERVICE}/Check".encode()

PIECE: Final = 32
"""Calls that are begun at a time: while the rest of what one read brought is begun, the charges of the first are written, and their
answers leave."""

Method = Callable[[bytes], Awaitable[bytes]]
"""Answers the message of a call by a message; ``DecodeError`` says that it cannot be read."""

Straight = Callable[[bytes, Caught, int], bool]
"""Begins a call whose answer the other one takes; False when it has to be answered by the method."""

_log = logging.getLogger("veritape.gateway")


@asynccontextmanager
async def serving(
    desk: Desk, address: Address, drain_s: float, count: Callable[[LetThrough], None], *, shared: bool = False
) -> AsyncIterator[int]:
    """Serve while the context lasts; yield the port.

    Args:
        desk: decides.
        address: where; port 0 takes a free one.
        drain_s: seconds that calls in progress have at the end.
        count: hears of what is let through undecided.
        shared: other workers listen there too.

    Raises:
        UnavailableError: the port is taken or not ours.
    """
    authorization = Authorization(desk)
    straight = {_CHECK: authorization.begin}
    methods = _methods(desk, authorization, count)
    async with serving_methods(methods, address, drain_s, straight, shared=shared) as port:
        yield port


@asynccontextmanager
async def serving_methods(
    methods: Mapping[bytes, Method],
    address: Address,
    drain_s: float,
    straight: Mapping[bytes, Straight] | None = None,
    *,
    shared: bool = False,
) -> AsyncIterator[int]:
    """Serve methods by their paths while the context lasts, as ``serving`` does; some have a straight way beside."""
    peers, loop = _Peers(), asyncio.get_running_loop()
    listener = bind(address, shared=shared)
    port = int(listener.getsockname()[1])
    server = await loop.create_server(lambda: _Peer(methods, straight or {}, peers), sock=listener)
    try:
        yield port
    finally:
        server.close()
        await peers.leave(drain_s)


def _methods(
    desk: Desk, authorization: Authorization, count: Callable[[LetThrough], None]
) -> dict[bytes, Method]:
    """Return path -> method."""
    limits = RateLimits(desk, count)

    async def limit(message: bytes) -> bytes:
        answer = await limits.should_rate_limit(RateLimitRequest.FromString(message))
        return answer.SerializeToString()

    return {_LIMIT: limit, _CHECK: authorization.decide}


class _Peers:
    """The connections that are open."""

    def __init__(self) -> None:
        self.open: set[_Peer] = set()
        self._closed = asyncio.Event()

    def lost(self, peer: "_Peer") -> None:
        """Forget a connection."""
        self.open.discard(peer)
        if not self.open:
            self._closed.set()

    async def leave(self, drain_s: float) -> None:
        """Take no more calls, finish those in progress within some seconds, close."""
        self._closed.clear()
        for peer in list(self.open):
            peer.leave()
        with contextlib.suppress(TimeoutError):
            if self.open:
                await asyncio.wait_for(self._closed.wait(), drain_s)
        for peer in list(self.open):
            peer.cut()
        await asyncio.gather(*(task for peer in self.open for task in peer.tasks), return_exceptions=True)


class _Peer(asyncio.Protocol):
    """One connection: reads calls, runs them, and sends all answers of one turn of the loop in one write."""

    def __init__(
        self, methods: Mapping[bytes, Method], straight: Mapping[bytes, Straight], peers: _Peers
    ) -> None:
        self._methods, self._straight, self._peers = methods, straight, peers
        self._rpc = RpcConnection()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._flushing = False
        self._calls: deque[Call] = deque()
        """Whole ones that were not begun."""
        self.tasks: set[asyncio.Task[None]] = set()
        """Calls in progress."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Speak first."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._peers.open.add(self)
        self._flush_soon()

    def data_received(self, data: bytes) -> None:
        """Begin the calls that became whole."""
        is_beginning = bool(self._calls)
        self._calls += self._rpc.receive(data)
        if not is_beginning:
            self._begin_some()
        self._flush_soon()

    def _begin_some(self) -> None:
        """Begin a piece of the calls; the rest in the loop's next turn."""
        calls = self._calls
        for _ in range(min(PIECE, len(calls))):
            self._begin(calls.popleft())
        if calls:
            self._loop.call_soon(self._begin_some)

    def _begin(self, call: Call) -> None:
        begin = self._straight.get(call.path)
        try:
            if begin is not None and begin(call.message, self, call.stream):
                return
        except Exception:  # noqa: BLE001 - the top of a call: logged, and an error for whoever asked
            self.fail(call.stream)
            return
        method = self._methods.get(call.path)
        if method is None:
            self._rpc.fail(call.stream, RpcStatus.UNIMPLEMENTED, "no such method")
            self._flush_soon()
        else:
            self.answer_later(call.stream, method(call.message))

    def answer(self, stream: int, message: bytes) -> None:
        """Answer a call."""
        self._rpc.answer(stream, message)
        self._flush_soon()

    def answer_later(self, stream: int, answering: Awaitable[bytes]) -> None:
        """Answer a call once it is known how."""
        task = self._loop.create_task(self._serve(stream, answering))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def pause_writing(self) -> None:
        """Read no more from a peer that does not read."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        if self._transport is not None:
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let calls in progress end: what they charge is charged."""
        del exc
        self._transport = None
        self._peers.lost(self)

    def leave(self) -> None:
        """Open no more calls, and close when those that are open are answered."""
        self._rpc.leave()
        self._flush_soon()

    def cut(self) -> None:
        """End what is not finished."""
        self._calls.clear()
        for task in self.tasks:
            task.cancel()
        if self._transport is not None:
            self._transport.abort()

    async def _serve(self, stream: int, answering: Awaitable[bytes]) -> None:
        try:
            self._rpc.answer(stream, await answering)
        except DecodeError:
            self._rpc.fail(stream, RpcStatus.INTERNAL, "the message cannot be read")
        except Exception:  # noqa: BLE001 - the top of a call: logged, and an error for whoever asked
            self.fail(stream)
        self._flush_soon()

    def fail(self, stream: int) -> None:
        """Tell of a fault of ours, from within its handler."""
        _log.exception("call not answered")
        self._rpc.fail(stream, RpcStatus.INTERNAL, "a fault of the server")
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._transport is None:
            return
        output = self._rpc.take_output()
        if output:
            self._transport.write(output)
        if self._rpc.is_idle:
            self._transport.close()
