"""One connection to Redis, made for many small calls at a time (GW-261, GW-262).

Calls of one turn of the event loop leave together, at most ``WRITE_CALLS`` in one write; answers come in order. A call has
a deadline from the end of the turn in which it was made, when all of them have left, and is never repeated: whether it happened
is then unknown, and the caller's arithmetic must heal that. When no answer comes in time, the connection is closed and every
waiting call fails together. An answer that is there in time is one, however late a busy loop comes to read it: what the loop
itself took is no delay of the store's. It would be told as lost, and every decision left to local shares, just when there is most
to decide.
"""

import asyncio
import contextlib
import math
import ssl
from collections import deque
from typing import Any, Final, cast

import hiredis

from veritape.gateway.adapters.redis_address import Locate, RedisAddress
from veritape.gateway.adapters.server_link import (
    CONNECT_S,
    WAITING_LIMIT,
    ServerLink,
    StoreError,
    StoreTimeoutError,
    reconnect_s,
)

WRITE_CALLS: Final = 16
"""Calls that are written before the turn of the loop is over: the store decides them while we make the next ones."""


class RedisLink(ServerLink, asyncio.Protocol):
    """A connection of our own."""

    def __init__(self, address: RedisAddress, deadline_s: float, locate: Locate | None = None) -> None:
        """Prepare as every link does."""
        super().__init__(address, deadline_s, locate)
        self._tls = ssl.create_default_context(cafile=address.tls_ca or None) if address.tls else None
        self._waiting: deque[asyncio.Future[Any]] = deque()
        """What every call that was made and not answered waits for, in their order."""
        self._written: deque[tuple[float, int]] = deque()
        """Deadline and number of the calls of each turn, oldest first; those before the calls that wait are not needed any more."""
        self._unsent: list[bytes] = []
        self._made = 0
        """Calls of the present turn."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reader = hiredis.Reader()
        self._lost = asyncio.Event()

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

    def send(self, command: bytes) -> "asyncio.Future[Any]":
        """Send a command as the protocol writes it, at the end of this turn of the loop.

        The future holds the answer or a ``StoreError``; an error that Redis answers is its result, a ``hiredis.ReplyError``.
        """
        loop = self._loop or asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        waiting, unsent = self._waiting, self._unsent
        if self._transport is None or len(waiting) >= WAITING_LIMIT:
            answer.set_exception(self._turned_away(full=len(waiting) >= WAITING_LIMIT))
            return answer
        if not self._made:
            loop.call_soon(self._end_turn)
        self._made += 1
        waiting.append(answer)
        unsent.append(command)
        if len(unsent) >= WRITE_CALLS:
            self._write(self._transport)
        return answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with an empty reader."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._transport.set_write_buffer_limits(high=0)  # else uvloop keeps what is written to the turn's end
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._lost.clear()

    def data_received(self, data: bytes) -> None:
        """Hand each answer to the call that waits longest."""
        self._reader.feed(data)
        gets, waiting = self._reader.gets, self._waiting
        try:
            while (found := gets()) is not False:
                try:  # noqa: SIM105 - a context manager for each answer
                    waiting.popleft().set_result(found)
                except asyncio.InvalidStateError:
                    pass  # who asked has gone
        except IndexError:
            self._drop("answered what nobody asked")
        except hiredis.ProtocolError:
            self._drop("answered what is not its protocol")

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits."""
        del exc
        self._drop()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        address = await self._located()
        if address.socket:
            await loop.create_unix_connection(lambda: self, address.socket)
        else:
            await loop.create_connection(lambda: self, address.host, address.port, ssl=self._tls)
        if address.password:
            who = [address.username.encode()] if address.username else []
            _require(await self.call([b"AUTH", *who, address.password.encode()]))
        _require(await self.call([b"SELECT", b"%d" % address.database]))

    def _write(self, transport: asyncio.Transport) -> None:
        transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def _end_turn(self) -> None:
        """Send what is left of a turn's calls; from here on the store may be asked for their answers."""
        made, self._made = self._made, 0
        if self._transport is None or not made:
            return
        if self._unsent:
            self._write(self._transport)
        loop = asyncio.get_running_loop()
        self._written.append((loop.time() + self._deadline_s, made))
        if self._timer is None:
            self._timer = loop.call_later(self._deadline_s, self._look)

    def _oldest_deadline(self) -> float:
        """Return the deadline of the call that waits longest; none of them has one when all are of this turn."""
        written = self._written
        done = sum(calls for _, calls in written) + self._made - len(self._waiting)
        while written and done >= written[0][1]:
            done -= written.popleft()[1]
        if not written:
            return math.inf
        written[0] = written[0][0], written[0][1] - done
        return written[0][0]

    def _look(self) -> None:
        """Give up when the call that waits longest has waited too long."""
        self._timer = None
        loop, oldest_s = asyncio.get_running_loop(), self._oldest_deadline()
        if oldest_s == math.inf:
            return
        now_s = loop.time()
        left_s = oldest_s - now_s
        if left_s > 0:
            self._timer = loop.call_later(left_s, self._look)
        else:  # uvloop's timers come before its sockets: what a busy loop has not read yet is read in the next turn
            loop.call_soon(loop.call_soon, self._give_up, now_s)

    def _give_up(self, looked_s: float) -> None:
        """Give up, unless what was read since we looked was the answer; a call that became late since then has not been looked for."""
        if self._oldest_deadline() <= looked_s:
            self._drop(self._late, StoreTimeoutError)
        elif self._timer is None:
            self._look()

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
        self._written.clear()
        self._made = 0
        waiting, self._waiting = self._waiting, deque()
        for answer in waiting:
            if not answer.done():
                answer.set_exception(failure(f"the store {why}"))
        self._lost.set()


def _require(answer: object) -> None:
    if isinstance(answer, hiredis.ReplyError):
        raise StoreError(f"the store refuses us: {str(answer).partition(' ')[0]}")
