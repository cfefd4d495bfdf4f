"""Looks whether a client reads what it is sent; one that takes nothing for 30 s is cut (GW-553)."""

import asyncio
from typing import Final

STUCK_S: Final = 30.0
"""Longest time without progress when a client does not read."""

LOOK_S: Final = 5.0
"""How often a client that does not read is looked at."""


class ReadingWatch:
    """Looks at one connection while its writing is paused."""

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        self._loop, self._transport = loop, transport
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to look."""
        if self._timer is None:
            size, since_s = self._transport.get_write_buffer_size(), self._loop.time()
            self._timer = self._loop.call_later(LOOK_S, self._look, size, since_s)

    def stop(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, size: int, since_s: float) -> None:
        now_s, left = self._loop.time(), self._transport.get_write_buffer_size()
        if left < size:
            size, since_s = left, now_s
        if now_s - since_s >= STUCK_S:
            self._transport.abort()
            return
        self._timer = self._loop.call_later(LOOK_S, self._look, size, since_s)
