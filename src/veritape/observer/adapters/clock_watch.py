"""The wall clock beside the monotonic one: steps are told, and who waits for a time of the day sees them (OB-004)."""

import structlog

from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.observer.clock_steps import ClockSteps
from veritape.observer.log_events import LogEvent

LOOK_NS = 30 * NANOSECONDS
"""Longest sleep of who waits for a time of the day: after a step the clock is looked at again within this."""


class ClockWatch:
    """Tells of each step of a clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._steps = ClockSteps()

    def look(self) -> None:
        """Compare the two sides of the clock, and log a step."""
        clock = self._clock
        step_ns = self._steps.look(clock.monotonic_ns(), clock.wall_ns(), clock.monotonic_ns())
        if step_ns:
            structlog.get_logger().warning(LogEvent.CLOCK_STEPPED, step_s=round(step_ns / NANOSECONDS, 3))

    async def run(self) -> None:
        """Look each second until cancelled."""
        while True:
            self.look()
            await self._clock.sleep_until(self._clock.monotonic_ns() + NANOSECONDS)


async def sleep_until_wall(clock: Clock, wall_ns: int) -> None:
    """Return once the wall clock says so, wherever it stepped meanwhile."""
    while (left_ns := wall_ns - clock.wall_ns()) > 0:
        await clock.sleep_until(clock.monotonic_ns() + min(left_ns, LOOK_NS))
