"""Connections to one target: kept alive, at most 128, the rest waits in turn (GW-581, GW-585)."""

import asyncio
import ssl
from collections import deque
from typing import Final, Protocol

from veritape.gateway.adapters.departing import Departing
from veritape.gateway.adapters.upstream_connection import KNOWN_HEADS, KnownAnswers, UpstreamConnection
from veritape.gateway.adapters.way import in_task
from veritape.gateway.outbound import is_refused
from veritape.gateway.reasons import Reason
from veritape.gateway.target_health import TargetHealth
from veritape.gateway.upstream_failures import UpstreamFailedError
from veritape.gateway.upstreams import Target, TlsRule

CONNECTIONS: Final = 128
"""Connections to one target."""

WAITING: Final = 1_024
"""Requests that wait for one of them."""

CONNECT_S: Final = 1.0
"""Longest wait for a connection."""


class Waiting(Protocol):
    """Who waits for a connection."""

    def take(self, connection: UpstreamConnection | None) -> bool:
        """Take a connection, or None: leave to make one. False when it waits no more."""
        ...


class Place(Waiting, Protocol):
    """A place in the queue that may be left to somebody."""

    heir: Waiting | None
    """Who waits here from now on."""


class TargetPool:
    """One target: its addresses, its connections, what is known of its health."""

    def __init__(self, target: Target, tls: ssl.SSLContext | None, server_name: str) -> None:
        self.target, self.authority = target, target.authority
        self.health = TargetHealth()
        self.in_flight = 0
        """Requests in progress here, the waiting ones included."""
        self.known = KnownAnswers(KNOWN_HEADS)
        """Heads of answers that came before."""
        self.departing = Departing()
        """Requests that leave at the end of this turn of the loop."""
        self._tls, self._server_name = tls, server_name or target.host
        self._addresses: list[str] = []
        self._turn = 0
        self._idle: list[UpstreamConnection] = []
        self._open = 0
        self._waiting: deque[Waiting] = deque()
        """Whoever waits is handed a connection and not only told of it: else who comes meanwhile would take it, and who waited would wait
        again, behind all others."""
        self._is_closed = False

    async def resolve(self) -> None:
        """Look the target's name up; a failed look-up leaves the known addresses (GW-585, GW-904)."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(self.target.host, self.target.port, type=1)
        except OSError:
            return
        plain = list(dict.fromkeys(str(one[4][0]) for one in found))
        self._addresses = [one for one in plain if not is_refused(one)] or self._addresses

    def take_idle(self) -> UpstreamConnection | None:
        """Return a connection that is at hand, None when one has to be made or waited for."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_reusable:
                return connection
        return None

    def put_back(self, connection: UpstreamConnection) -> None:
        """Take back what ``take_idle`` returned and nobody used."""
        self._idle.append(connection)

    @property
    def may_wait(self) -> bool:
        """Tell whether a request that finds no connection has to wait for one, and may."""
        return self._open >= CONNECTIONS and len(self._waiting) < WAITING

    @property
    def is_full(self) -> bool:
        """Tell whether another request could not even wait."""
        return self._open >= CONNECTIONS and len(self._waiting) >= WAITING

    def wait(self, one: Waiting) -> None:
        """Let somebody wait for a connection, behind all others."""
        self._waiting.append(one)

    async def acquire(self, until_s: float, place: Place | None = None) -> UpstreamConnection:
        """Return a connection, which the caller gives back with ``release``.

        Args:
            until_s: moment of the loop's clock until which there must be one.
            place: in the queue, where the request has waited already.

        Raises:
            UpstreamFailedError: none can be made, too many requests wait, or it took too long.
        """
        while True:
            connection = self.take_idle() if place is None else None
            if connection is None:
                if place is not None or self._open >= CONNECTIONS:
                    connection, place = await self._in_turn(until_s, place), None
                else:
                    self.count()
                if connection is None:
                    return await self._connect(until_s)
            if connection.is_reusable:
                return connection

    def release(self, connection: UpstreamConnection) -> None:
        """Take a connection back: who waits longest gets it. One that cannot be used again is thrown away."""
        if connection.is_reusable and not self._is_closed:
            if not self._hand_over(connection):
                self._idle.append(connection)
        elif not connection.is_lost:
            connection.close()

    def close(self) -> None:
        """Close what is idle; what is in use is closed when it comes back."""
        self._is_closed = True
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _in_turn(self, until_s: float, place: Place | None) -> UpstreamConnection | None:
        """Wait until a connection is handed over; None when one may be made, which is counted already."""
        if place is None and len(self._waiting) >= WAITING:
            raise UpstreamFailedError(Reason.NO_HEALTHY_UPSTREAM, request_begun=False)
        loop = asyncio.get_running_loop()
        one = _Waiting(self, loop.create_future())
        if place is None:
            self.wait(one)
        else:
            place.heir = one
        timer = loop.call_at(until_s, one.give_up)
        try:
            return await one.taken
        except asyncio.CancelledError:
            if one.has_taken:
                self._pass_on(one.taken.result())
            raise
        finally:
            timer.cancel()
            one.taken.cancel()  # a request that was driven by hand up to here does not do so

    def _pass_on(self, connection: UpstreamConnection | None) -> None:
        """Give what was handed over to somebody who left meanwhile to the next one."""
        if connection is None:
            self._gone()
        else:
            self.release(connection)

    def _hand_over(self, connection: UpstreamConnection | None) -> bool:
        """Give a connection, or leave to make one, to who waits longest; False when nobody waits."""
        while self._waiting:
            if self._waiting.popleft().take(connection):
                return True
        return False

    async def _connect(self, until_s: float) -> UpstreamConnection:
        """Make a connection that is counted already."""
        loop = asyncio.get_running_loop()
        try:
            await in_task()  # for its timeout
            async with asyncio.timeout_at(min(until_s, loop.time() + CONNECT_S)):
                _, connection = await loop.create_connection(
                    lambda: UpstreamConnection(self._lost, self.known, self.departing), await self._address(), self.target.port,
                    ssl=self._tls, server_hostname=self._server_name if self._tls else None,
                )  # fmt: skip
        except (OSError, TimeoutError) as error:
            self._gone()
            if loop.time() >= until_s:
                raise UpstreamFailedError(Reason.UPSTREAM_TIMEOUT) from None
            raise UpstreamFailedError(Reason.UPSTREAM_UNREACHABLE, request_begun=False) from error
        except BaseException:
            self._gone()
            raise
        return connection

    async def _address(self) -> str:
        """Return the target's next address.

        Raises:
            OSError: it has none that may be used.
        """
        if not self._addresses:
            await self.resolve()
        if not self._addresses:
            raise OSError("no address that may be used")
        self._turn = (self._turn + 1) % len(self._addresses)
        return self._addresses[self._turn]

    def _lost(self, connection: UpstreamConnection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
        self._gone()

    def count(self) -> None:
        """Count a connection that is about to be made."""
        self._open += 1

    def _gone(self) -> None:
        """Let another one be made in place of a connection: by who waits longest, before anybody who comes meanwhile."""
        self._open -= 1
        self._hand_over(None)


class _Waiting:
    """A coroutine that waits for a connection."""

    def __init__(self, pool: TargetPool, taken: "asyncio.Future[UpstreamConnection | None]") -> None:
        self._pool, self.taken = pool, taken
        """What was handed over, once it was."""

    @property
    def has_taken(self) -> bool:
        """Tell whether something was handed over."""
        return self.taken.done() and not self.taken.cancelled() and self.taken.exception() is None

    def take(self, connection: UpstreamConnection | None) -> bool:
        """Go on with it in the loop's next turn."""
        if self.taken.done():
            return False
        if connection is None:
            self._pool.count()
        self.taken.set_result(connection)
        return True

    def give_up(self) -> None:
        """End a wait that took too long."""
        if not self.taken.done():
            self.taken.set_exception(UpstreamFailedError(Reason.UPSTREAM_TIMEOUT))


def tls_context(rule: TlsRule) -> ssl.SSLContext:
    """Return a context that verifies certificates, by the system's authorities or those of a file.

    Raises:
        OSError: the file cannot be read.
    """
    return ssl.create_default_context(cafile=rule.ca_file or None)
