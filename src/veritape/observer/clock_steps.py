"""A wall clock that steps, seen by comparing it with the monotonic one (OB-004)."""

from typing import Final

from veritape.kernel.clock import MILLISECOND_NS

STEP_NS: Final = 500 * MILLISECOND_NS
"""From here on a difference is a step; slower corrections move both clocks."""

PAUSE_NS: Final = 100 * MILLISECOND_NS
"""A look that took longer says nothing: the process stood still between its two readings."""


class ClockSteps:
    """Remembers how far the wall clock is ahead of the monotonic one."""

    def __init__(self) -> None:
        self._ahead_ns: int | None = None

    def look(self, before_ns: int, wall_ns: int, after_ns: int) -> int:
        """Return by how much the wall clock stepped since the last look; 0 when it did not.

        Args:
            before_ns: monotonic clock, read before the wall clock.
            wall_ns: wall clock.
            after_ns: monotonic clock, read after it.
        """
        if after_ns - before_ns > PAUSE_NS:
            return 0
        ahead_ns = wall_ns - before_ns
        known_ns = ahead_ns if self._ahead_ns is None else self._ahead_ns
        step_ns = ahead_ns - known_ns
        is_step = abs(step_ns) > STEP_NS
        if is_step or self._ahead_ns is None:
            self._ahead_ns = ahead_ns
        return step_ns if is_step else 0
