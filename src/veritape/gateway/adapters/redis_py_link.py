"""The store's connection by redis-py: ``store.client = "redis-py"`` (GW-261).

For who trusts the well-known client more than ours, or has to tell whose fault something is. It keeps the same promises: one
connection, calls in their order, a deadline from the moment of each call, nothing repeated. Connection, TLS, AUTH, SELECT
and the reading of answers are redis-py's. What was asked in one turn of the loop is one write; the next one begins when all
of it was answered, so that it is slower the longer the way to Redis is.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias

import hiredis
from redis.asyncio import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from veritape.gateway.adapters.redis_address import Locate, RedisAddress
from veritape.gateway.adapters.server_link import (
    CONNECT_S,
    WAITING_LIMIT,
    ServerLink,
    StoreError,
    StoreTimeoutError,
    let_go,
    reconnect_s,
)

CODES: Final[Mapping[type[ResponseError], str]] = {
    AskError: "ASK", ClusterDownError: "CLUSTERDOWN", MovedError: "MOVED", NoPermissionError: "NOPERM",
    NoScriptError: "NOSCRIPT", OutOfMemoryError: "OOM", ReadOnlyError: "READONLY", TryAgainError: "TRYAGAIN",
}  # fmt: skip
"""Errors from which redis-py takes Redis' word for them."""

IDLE_S: Final = 1.0
"""Seconds without a call after which the server is asked whether it is there: redis-py tells nobody that it has gone."""

AnyConnection: TypeAlias = Connection | SSLConnection | UnixDomainSocketConnection
"""A connection of redis-py."""


class _Call(NamedTuple):
    command: bytes
    deadline: float
    """The loop's time."""
    answer: "asyncio.Future[Any]"


class RedisPyLink(ServerLink):
    """A connection of redis-py."""

    def __init__(self, address: RedisAddress, deadline_s: float, locate: Locate | None = None) -> None:
        """Prepare as every link does."""
        super().__init__(address, deadline_s, locate)
        self._waiting: deque[_Call] = deque()
        self._called = asyncio.Event()

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        attempt = 0
        while True:
            made = self.connects
            await self._connect_and_serve()
            attempt = 0 if self.connects > made else attempt
            await asyncio.sleep(reconnect_s(attempt))
            attempt += 1

    def send(self, command: bytes) -> "asyncio.Future[Any]":
        """Send a command as the protocol writes it, after those that wait.

        The future holds the answer or a ``StoreError``; an error that Redis answers is its result, a ``hiredis.ReplyError``.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        full = len(self._waiting) >= WAITING_LIMIT
        if full or not self.connected.is_set():
            answer.set_exception(self._turned_away(full=full))
            return answer
        self._waiting.append(_Call(command, loop.time() + self._deadline_s, answer))
        self._called.set()
        return answer

    async def _connect_and_serve(self) -> None:
        """Connect, and answer calls until the connection fails or is given up."""
        failure = StoreError("the store closed the connection")
        connection: AnyConnection | None = None
        try:
            async with asyncio.timeout(CONNECT_S):
                connection = open_connection(await self._located())
                await connection.connect()  # type: ignore[no-untyped-call]
            self.connects += 1
            self.connected.set()
            await self._serve(connection)
        except TimeoutError:
            failure = StoreTimeoutError(f"the store {self._late}")
        except (OSError, RedisError, StoreError):
            pass  # the callers are told below
        finally:
            self._fail(failure)
            if connection is not None:
                with contextlib.suppress(OSError, RedisError):
                    await connection.disconnect(nowait=True)

    async def _serve(self, connection: AnyConnection) -> None:
        """Answer calls.

        Raises:
            TimeoutError: one was not answered in time.
            OSError: the connection broke.
            RedisError: it did not speak the protocol.
        """
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._called.wait(), IDLE_S)
            if not self._waiting:
                self.call([b"PING"]).add_done_callback(let_go)
            self._called.clear()
            calls = list(self._waiting)
            async with asyncio.timeout_at(calls[0].deadline):
                await connection.send_packed_command([call.command for call in calls])
            for call in calls:
                async with asyncio.timeout_at(call.deadline):
                    answer = await read_answer(connection)
                self._waiting.popleft()
                if not call.answer.done():
                    call.answer.set_result(answer)

    def _fail(self, failure: StoreError) -> None:
        """Tell everybody who waits."""
        self.connected.clear()
        self._called.clear()
        waiting, self._waiting = self._waiting, deque()
        for call in waiting:
            if not call.answer.done():
                call.answer.set_exception(failure)


def open_connection(address: RedisAddress) -> AnyConnection:
    """Return a connection of redis-py that never repeats anything; it is not connected yet."""
    common: dict[str, Any] = {
        "db": address.database,
        "username": address.username or None,
        "password": address.password or None,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": None,  # each call has its deadline
        "protocol": 2,
    }
    if address.socket:
        return UnixDomainSocketConnection(path=address.socket, **common)
    common |= {"host": address.host, "port": address.port}
    return (
        SSLConnection(ssl_ca_certs=address.tls_ca or None, **common) if address.tls else Connection(**common)
    )


async def read_answer(connection: AnyConnection) -> Any:
    """Read one answer; an error is one.

    Raises:
        OSError: the connection broke.
        RedisError: it did, or did not speak the protocol.
    """
    try:
        return await connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return hiredis.ReplyError(_as_redis_said(error))


def _as_redis_said(error: ResponseError) -> str:
    """Return an error with Redis' word in front of it, which redis-py takes off where it knows it."""
    text, known = str(error), CODES.get(type(error))
    if known is not None:
        return f"{known} {text}"
    return text if text.partition(" ")[0].isupper() else f"ERR {text}"
