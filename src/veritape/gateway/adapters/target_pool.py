"""Connections to one target: kept alive, at most 128, the rest waits in turn (GW-581, GW-585)."""

import asyncio
import ssl
from collections import deque
from typing import Final

from veritape.gateway.adapters.departing import Departing
from veritape.gateway.adapters.upstream_connection import KNOWN_HEADS, KnownAnswers, UpstreamConnection
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
        self._waiting: deque[asyncio.Future[None]] = deque()
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

    async def acquire(self) -> UpstreamConnection:
        """Return a connection; the caller gives it back with ``release``.

        Raises:
            UpstreamFailedError: none can be made, or too many requests wait.
        """
        while True:
            connection = self.take_idle()
            if connection is not None:
                return connection
            if self._open < CONNECTIONS:
                return await self._connect()
            await self._wait()

    def release(self, connection: UpstreamConnection) -> None:
        """Take a connection back; one that cannot be used again is thrown away."""
        if connection.is_reusable and not self._is_closed:
            self._idle.append(connection)
            self._let_in()
        elif not connection.is_lost:
            connection.close()

    def close(self) -> None:
        """Close what is idle; what is in use is closed when it comes back."""
        self._is_closed = True
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _wait(self) -> None:
        if len(self._waiting) >= WAITING:
            raise UpstreamFailedError(Reason.NO_HEALTHY_UPSTREAM, request_begun=False)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._let_in()
            raise

    def _let_in(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    async def _connect(self) -> UpstreamConnection:
        self._open += 1
        try:
            async with asyncio.timeout(CONNECT_S):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: UpstreamConnection(self._lost, self.known, self.departing), await self._address(), self.target.port,
                    ssl=self._tls, server_hostname=self._server_name if self._tls else None,
                )  # fmt: skip
        except (OSError, TimeoutError) as error:
            self._open -= 1
            self._let_in()
            raise UpstreamFailedError(Reason.UPSTREAM_UNREACHABLE, request_begun=False) from error
        except BaseException:
            self._open -= 1
            self._let_in()
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
        self._open -= 1
        if connection in self._idle:
            self._idle.remove(connection)
        self._let_in()


def tls_context(rule: TlsRule) -> ssl.SSLContext:
    """Return a context that verifies certificates, by the system's authorities or those of a file.

    Raises:
        OSError: the file cannot be read.
    """
    return ssl.create_default_context(cafile=rule.ca_file or None)
