"""The connection to one server of the shared store, as far as it is the same whichever client makes it (GW-261, GW-262)."""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final, Self, cast

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


class ServerLink(ABC):
    """A connection to one server that comes back by itself."""

    def __init__(self, address: RedisAddress, deadline_s: float, locate: Locate | None = None) -> None:
        """Prepare; ``run`` connects.

        Args:
            address: where to.
            deadline_s: seconds that a call may wait for its answer.
            locate: asked for the address before each attempt to connect; the first one for ever when left out.
        """
        self._address, self._deadline_s, self._locate = address, deadline_s, locate
        self.connected = asyncio.Event()
        """Set while calls can be made."""
        self.connects = 0
        """Connections that were made."""

    @property
    def servers(self) -> tuple[Self]:
        """Return this one: there is one server."""
        return (self,)

    @abstractmethod
    async def run(self) -> None:
        """Keep the connection until cancelled."""

    @abstractmethod
    def send(self, command: bytes) -> "asyncio.Future[Any]":
        """Send a command as the protocol writes it.

        The future holds the answer or a ``StoreError``; an error that Redis answers is its result, a ``hiredis.ReplyError``.
        """

    def call(self, parts: Sequence[bytes]) -> "asyncio.Future[Any]":
        """Send a command as ``send`` does."""
        return self.send(hiredis.pack_command(cast("Any", tuple(parts))))

    async def _located(self) -> RedisAddress:
        """Return where the server is now."""
        return self._address if self._locate is None else await self._locate()

    def _turned_away(self, *, full: bool) -> StoreError:
        """Return why a call is not made: too many wait, or there is no connection."""
        why = "has too many calls waiting" if full else "is not connected"
        return StoreError(f"the store {why}")

    @property
    def _late(self) -> str:
        """Return what happened when a deadline is over."""
        return f"did not answer in {self._deadline_s * 1_000:.0f} ms"


def reconnect_s(attempt: int) -> float:
    """Return the seconds before the next attempt to connect."""
    delay = RECONNECT_S[min(attempt, len(RECONNECT_S) - 1)]
    return delay * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret


def let_go(answer: "asyncio.Future[Any]") -> None:
    """Look at a failure so that nobody complains that none did."""
    if not answer.cancelled():
        answer.exception()
