"""The only module that reads a clock.

Wall and monotonic time never mix: *wall* names moments for people and files, *monotonic* measures intervals, timeouts
and pacing. Subject modules take neither; they are handed ``now_ns``.
"""

import asyncio
import time
from typing import Protocol

NANOSECONDS = 1_000_000_000
"""Nanoseconds in a second."""

MILLISECOND_NS = 1_000_000
"""What the timers of event loops are counted in."""


class Clock(Protocol):
    """What adapters need of time."""

    def wall_ns(self) -> int:
        """Return nanoseconds since 1970-01-01 00:00 UTC; may step in either direction."""
        ...

    def monotonic_ns(self) -> int:
        """Return nanoseconds since an arbitrary origin; never decreases."""
        ...

    async def sleep_until(self, monotonic_ns: int) -> None:
        """Return once ``monotonic_ns()`` has reached the given value; at once when it already has."""
        ...


class SystemClock:
    """The machine's own clocks."""

    wall_ns = staticmethod(time.time_ns)  # noqa: TID251 - this is the clock
    """Return the system's wall clock; the call itself, because hot paths read it with every request."""

    monotonic_ns = staticmethod(time.monotonic_ns)  # noqa: TID251 - this is the clock
    """Return the system's monotonic clock."""

    async def sleep_until(self, monotonic_ns: int) -> None:
        """Sleep on the running event loop, for whole milliseconds: loops round, and what is left below one would be waited for in turns of the loop."""
        while (left_ns := monotonic_ns - self.monotonic_ns()) > 0:  # noqa: ASYNC110 - a timer may fire early
            await asyncio.sleep(-(-left_ns // MILLISECOND_NS) * MILLISECOND_NS / NANOSECONDS)


class ManualClock:
    """A virtual clock that moves only when told: the fake that every part's tests share."""

    def __init__(self, *, wall_ns: int = 0, monotonic_ns: int = 0) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._sleepers: list[tuple[int, asyncio.Future[None]]] = []

    def wall_ns(self) -> int:
        """Return the virtual wall clock."""
        return self._wall_ns

    def monotonic_ns(self) -> int:
        """Return the virtual monotonic clock."""
        return self._monotonic_ns

    async def sleep_until(self, monotonic_ns: int) -> None:
        """Wait until ``advance_ns`` has moved the clock far enough."""
        if monotonic_ns > self._monotonic_ns:
            sleeper = asyncio.get_running_loop().create_future()
            self._sleepers.append((monotonic_ns, sleeper))
            await sleeper

    def advance_ns(self, duration_ns: int) -> None:
        """Move both clocks forward and wake the sleepers whose time has come, earliest first."""
        if duration_ns < 0:
            raise ValueError("a monotonic clock does not go back; use step_wall_ns")
        self._wall_ns += duration_ns
        self._monotonic_ns += duration_ns
        due = sorted(
            (item for item in self._sleepers if item[0] <= self._monotonic_ns), key=lambda item: item[0]
        )
        self._sleepers = [item for item in self._sleepers if item[0] > self._monotonic_ns]
        for _, sleeper in due:
            if not sleeper.done():
                sleeper.set_result(None)

    def step_wall_ns(self, step_ns: int) -> None:
        """Step the wall clock alone, as NTP or an operator does."""
        self._wall_ns += step_ns
