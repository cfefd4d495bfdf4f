"""Stay connected: what the live connections of every venue have in common (OB-451 to 453).

The session machine decides, this waits for what it names: for the time of the next attempt, for the first part of an open
connection that ends, and for a silence that was listened to.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Final

import aiohttp

from veritape.kernel.clock import Clock
from veritape.observer.journal import Kind
from veritape.observer.session import LOOK_NS, Session, SessionAction, SessionEvent

DRAWS: Final = 1 << 30
"""Resolution of the delays' randomness."""

MESSAGE_KINDS: Final = {aiohttp.WSMsgType.TEXT: Kind.TEXT, aiohttp.WSMsgType.BINARY: Kind.BINARY}
"""Kind of a WebSocket message -> kind of its frame; any other ends the connection."""


class Connected:
    """One session machine and the clock that it lives by."""

    def __init__(self, silence_ns: int, clock: Clock, happened: Callable[[], None] = lambda: None) -> None:
        """Begin closed.

        Args:
            silence_ns: silence limit of the session.
            clock: the market's time.
            happened: called after every event, when the session may have a notice.
        """
        self.session = Session(silence_ns)
        """The connection's life."""
        self.is_over = False
        """Whether no further connection is wanted."""
        self._clock = clock
        self._told = happened

    def happened(self, event: SessionEvent) -> SessionAction:
        """Take an event; return what it asks for."""
        # A frame begins no delay: it needs no draw, which would cost as much as to journal it.
        chance = 0.0 if event is SessionEvent.FRAME else secrets.randbelow(DRAWS) / DRAWS
        action = self.session.happened(event, self._clock.monotonic_ns(), chance)
        self._told()
        return action

    async def stay(self, connect: Callable[[], Awaitable[SessionAction]]) -> None:
        """Connect as often as the session asks for it, until it is over."""
        action = self.happened(SessionEvent.WANTED)
        while not self.is_over:
            if action is SessionAction.CONNECT:
                action = await connect()
            elif self.session.wake_ns is not None:
                await self._clock.sleep_until(self.session.wake_ns)
                action = self.happened(SessionEvent.TIMER)
            else:
                return

    def leave(self) -> None:
        """Want no further connection."""
        self.is_over = True
        self.happened(SessionEvent.UNWANTED)

    async def until_silent(self, trading: Callable[[], bool]) -> bool:
        """Listen until the connection was silent for too long; False when it ended before."""
        while True:
            now_ns = self._clock.monotonic_ns()
            self.session.look(now_ns)
            due_ns = self.session.silent_at(trading=trading())
            if due_ns is None:
                return False
            if now_ns >= due_ns and self.happened(SessionEvent.SILENCE) is SessionAction.CLOSE:
                return True
            await self._clock.sleep_until(now_ns + LOOK_NS)


async def until_one_ends(parts: Iterable[Coroutine[object, object, object]]) -> None:
    """Run the parts of an open connection until one of them ends; what a lost connection raised is no error."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, ConnectionError | aiohttp.ClientError):
            raise result
