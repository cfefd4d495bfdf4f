"""A moment that is set often and comes seldom: setting it costs no timer of the event loop."""

import asyncio
from collections.abc import Callable


class Alarm:
    """Rings when its moment has come. One timer waits for the earliest moment; when it finds a later one, it waits again."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop, self._ring = loop, ring
        self._due_s: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed_s = 0.0

    def set(self, due_s: float) -> None:
        """Ring at a moment of the loop's clock, in place of any set before."""
        self._due_s = due_s
        if self._timer is None or due_s < self._armed_s:
            self._arm(due_s)

    def clear(self) -> None:
        """Do not ring; the timer stays for the next moment."""
        self._due_s = None

    def stop(self) -> None:
        """Do not ring, and let the timer go."""
        self._due_s = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, due_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed_s, self._timer = due_s, self._loop.call_at(due_s, self._look)

    def _look(self) -> None:
        self._timer, due_s = None, self._due_s
        if due_s is None:
            return
        if due_s > self._loop.time():
            self._arm(due_s)
        else:
            self._due_s = None
            self._ring()
