"""The hours of the running day: everything that waits for a time of the session waits here (OB-124, OB-125).

A calendar that is edited while the day runs takes effect at the next boundary of a phase: there the hours are read again,
and who waits for a time that has moved goes on waiting. A day that became closed ends at once, as if that were its close;
after the close an edit changes nothing.
"""

from collections.abc import Callable

from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.observer.adapters.clock_watch import LOOK_NS
from veritape.observer.sessions import Hours, next_boundary


class Timetable:
    """One day's hours, and waiting for them."""

    def __init__(
        self,
        hours: Hours,
        midnight_ns: int,
        clock: Clock,
        read_again: Callable[[], Hours | None] | None = None,
        changed: Callable[[Hours], None] = lambda _: None,
    ) -> None:
        """Begin with the hours that the day was planned with.

        Args:
            hours: planned.
            midnight_ns: the day's begin in Seoul, wall clock.
            clock: whose wall side names times of the day.
            read_again: the calendar's present opinion, None for closed; without it nothing changes.
            changed: told of new hours.
        """
        self.hours = hours
        """In force."""
        self.is_cancelled = False
        """Whether the day became closed before its open."""
        self._midnight_ns = midnight_ns
        self._clock = clock
        self._read_again = read_again
        self._changed = changed
        self._boundary_s = next_boundary(hours, self.second())

    def second(self) -> int:
        """Return the second of the day."""
        return (self._clock.wall_ns() - self._midnight_ns) // NANOSECONDS

    async def until(self, edge: Callable[[Hours], int]) -> None:
        """Wait for a second of the day that follows from the hours in force."""
        while True:
            self._cross()
            target_s = edge(self.hours)
            left_ns = self._midnight_ns + target_s * NANOSECONDS - self._clock.wall_ns()
            if left_ns <= 0 or self.is_cancelled:
                return
            boundary_ns = self._midnight_ns + self._boundary_s * NANOSECONDS - self._clock.wall_ns()
            is_watched = self._read_again is not None and boundary_ns > 0
            wait_ns = min(left_ns, boundary_ns) if is_watched else left_ns
            await self._clock.sleep_until(self._clock.monotonic_ns() + min(wait_ns, LOOK_NS))

    def _cross(self) -> None:
        """Read the hours again when a boundary has passed since they were last read."""
        now_s = self.second()
        if self._read_again is None or now_s < self._boundary_s:
            return
        if now_s < self.hours.close_s:
            self._read(self._read_again(), now_s)
        self._boundary_s = next_boundary(self.hours, now_s)

    def _read(self, hours: Hours | None, now_s: int) -> None:
        if hours is None and now_s < self.hours.open_s:
            self.is_cancelled = True
        if hours is None:
            hours = Hours(self.hours.open_s, min(self.hours.close_s, max(now_s, self.hours.open_s)))
        if hours != self.hours:
            self.hours = hours
            self._changed(hours)
