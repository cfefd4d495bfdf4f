"""How long a request may take to come: its head once it has begun, its body piece by piece (GW-553)."""

import asyncio
from collections.abc import Callable
from typing import Final

from veritape.gateway.framing import Framing, Part
from veritape.gateway.pace import BodyPace

HEAD_S: Final = 10.0
"""Longest time from the first byte of a request to the end of its head."""


class RequestTimer:
    """Rings when a head or a body is late; one timer of the event loop at a time."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, is_excused: Callable[[], bool], ring: Callable[[], None]
    ) -> None:
        """Wait for nothing.

        Args:
            loop: has the timers.
            is_excused: tells whether it is us who let the client wait.
            ring: called when it is late.
        """
        self._loop, self._is_excused, self._ring = loop, is_excused, ring
        self._pace: BodyPace | None = None
        self._timer: asyncio.TimerHandle | None = None

    def expect_body(self) -> None:
        """Begin to measure a body."""
        now_s = self._loop.time()
        self._pace = BodyPace(now_s, now_s)

    def receive(self, count: int) -> None:
        """Count bytes that came."""
        if self._pace is not None:
            self._pace.receive(count, self._loop.time())

    def end_body(self) -> None:
        """Measure no more: the request is answered."""
        self._pace = None

    def watch(self, framing: Framing) -> None:
        """Wait for what is missing of a request."""
        part = framing.part
        if part is Part.DONE or (part is Part.HEAD and not framing.head_bytes):
            self.stop()
        elif part is Part.HEAD:
            if self._timer is None:
                self._timer = self._loop.call_later(HEAD_S, self._late)
        elif self._pace is not None:
            self.stop()
            self._timer = self._loop.call_at(self._pace.due_s(), self._look, framing)

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Act in so long, unless it is stopped: where nothing of a request is expected."""
        self._timer = self._loop.call_later(seconds, act)

    def stop(self) -> None:
        """Wait no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, framing: Framing) -> None:
        self._timer, pace, now_s = None, self._pace, self._loop.time()
        if pace is None or framing.part is Part.DONE:
            return
        if self._is_excused():
            pace.excuse(now_s)
        if pace.is_late(now_s):
            self._ring()
            return
        self._timer = self._loop.call_at(pace.due_s(), self._look, framing)

    def _late(self) -> None:
        self._timer = None
        self._ring()
