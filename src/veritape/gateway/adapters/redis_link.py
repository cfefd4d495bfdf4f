"""One connection to Redis, made for many small calls at a time (GW-261, GW-262).

All calls of one turn of the event loop leave in one write; answers come in order. A call has a deadline from the moment it
is made and is never repeated: whether it happened is then unknown, and the caller's arithmetic must heal that. When no
answer comes in time, the connection is closed and every waiting call fails together.
"""

import asyncio
import contextlib
import random
import ssl
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, cast

import hiredis

from veritape.gateway.adapters.redis_address import Locate, RedisAddress
from veritape.kernel.errors import UnavailableError

WAITING_LIMIT: Final = 10_000
"""Calls that may wait for their answers; the next one fails at once."""

RECONNECT_S: Final = (0.05, 0.1, 0.2, 0.4, 0.5)
"""Seconds before the next attempt to connect; the last one repeats."""

JITTER: Final = 0.2
"""Share by which those seconds vary."""

CONNECT_S: Final = 2.0
"""Seconds for one attempt to connect, AUTH and SELECT included."""


class StoreError(UnavailableError):
    """The store did not answer, or answered that it cannot; whether the call happened is unknown."""


class StoreTimeoutError(StoreError):
    """The store did not answer in time."""


class RedisLink(asyncio.Protocol):
    """A connection that comes back by itself."""

    def __init__(self, address: RedisAddress, deadline_s: float, locate: Locate | None = None) -> None:
        """Prepare; ``run`` connects.

        Args:
            address: where to.
            deadline_s: seconds that a call may wait for its answer.
            locate: asked for the address before each attempt to connect; the first one for ever when left out.
        """
        self._address, self._deadline_s, self._locate = address, deadline_s, locate
        self._tls = ssl.create_default_context(cafile=address.tls_ca or None) if address.tls else None
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._unsent: list[bytes] = []
        self._deadline = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reader = hiredis.Reader()
        self._lost = asyncio.Event()
        self.connected = asyncio.Event()
        """Set while calls can be made."""
        self.connects = 0
        """Connections that were made."""

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        attempt = 0
        try:
            while True:
                try:
                    await asyncio.wait_for(self._connect(), CONNECT_S)
                    attempt = 0
                    self.connects += 1
                    self.connected.set()
                    await self._lost.wait()
                except (OSError, TimeoutError, StoreError):
                    self._drop()
                await asyncio.sleep(reconnect_s(attempt))
                attempt += 1
        finally:
            self._drop()

    @property
    def servers(self) -> tuple["RedisLink"]:
        """Return this one: there is one server."""
        return (self,)

    def call(self, parts: Sequence[bytes]) -> "asyncio.Future[Any]":
        """Send a command as ``send`` does."""
        return self.send(hiredis.pack_command(cast("Any", tuple(parts))))

    def send(self, command: bytes) -> "asyncio.Future[Any]":
        """Send a command as the protocol writes it, at the end of this turn of the loop.

        The future holds the answer or a ``StoreError``; an error that Redis answers is its result, a ``hiredis.ReplyError``.
        """
        loop = self._loop or asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        if self._transport is None or self._lost.is_set() or len(self._waiting) >= WAITING_LIMIT:
            why = "is not connected" if len(self._waiting) < WAITING_LIMIT else "has too many calls waiting"
            answer.set_exception(StoreError(f"the store {why}"))
            return answer
        if not self._unsent:
            self._deadline = loop.time() + self._deadline_s
            loop.call_soon(self._flush)
            if self._timer is None:
                self._timer = loop.call_later(self._deadline_s, self._look)
        self._waiting.append((self._deadline, answer))
        self._unsent.append(command)
        return answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with an empty reader."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._lost.clear()

    def data_received(self, data: bytes) -> None:
        """Hand each answer to the call that waits longest."""
        self._reader.feed(data)
        try:
            while (found := self._reader.gets()) is not False:
                if not self._waiting:
                    self._drop("answered what nobody asked")
                    return
                _, answer = self._waiting.popleft()
                if not answer.done():
                    answer.set_result(found)
        except hiredis.ProtocolError:
            self._drop("answered what is not its protocol")

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits."""
        del exc
        self._drop()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        address = self._address if self._locate is None else await self._locate()
        if address.socket:
            await loop.create_unix_connection(lambda: self, address.socket)
        else:
            await loop.create_connection(lambda: self, address.host, address.port, ssl=self._tls)
        if address.password:
            who = [address.username.encode()] if address.username else []
            _require(await self.call([b"AUTH", *who, address.password.encode()]))
        _require(await self.call([b"SELECT", b"%d" % address.database]))

    def _flush(self) -> None:
        if self._transport is not None and self._unsent:
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def _look(self) -> None:
        """Give up when the call that waits longest has waited too long."""
        self._timer = None
        if not self._waiting:
            return
        loop = asyncio.get_running_loop()
        left_s = self._waiting[0][0] - loop.time()
        if left_s <= 0:
            self._drop(f"did not answer in {self._deadline_s * 1_000:.0f} ms", StoreTimeoutError)
        else:
            self._timer = loop.call_later(left_s, self._look)

    def _drop(self, why: str = "closed the connection", failure: type[StoreError] = StoreError) -> None:
        """Close, and fail everything that waits."""
        self.connected.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closing
                self._transport.abort()
            self._transport = None
        self._unsent.clear()
        waiting, self._waiting = self._waiting, deque()
        for _, answer in waiting:
            if not answer.done():
                answer.set_exception(failure(f"the store {why}"))
        self._lost.set()


def reconnect_s(attempt: int) -> float:
    """Return the seconds before the next attempt to connect."""
    delay = RECONNECT_S[min(attempt, len(RECONNECT_S) - 1)]
    return delay * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret


def _require(answer: object) -> None:
    if isinstance(answer, hiredis.ReplyError):
        raise StoreError(f"the store refuses us: {str(answer).partition(' ')[0]}")
