"""A wall clock that steps, seen by comparing it with the monotonic one (OB-004)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from veritape.kernel.clock import MILLISECOND_NS, NANOSECONDS

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


class SteadyLine:
    """Our time of day without steps: the wall clock of the first look, moved on by the monotonic one.

    Stamps of the wall clock are placed on it, so that what is between two of them is a duration. A stamp from between two
    looks may be of before or of after a step: then it is the latest place that has come already, so that whoever looks for
    pauses takes none for longer than it was. Of several steps between two looks only their sum is known.
    """

    def __init__(self) -> None:
        self._steps = ClockSteps()
        self._first_ns: int | None = None
        self._shifts_ns = (0, 0)
        """What stamps of the time before the newest look are moved by, and those since."""
        self._now_ns = 0

    def look(self, wall_ns: int, monotonic_ns: int) -> int:
        """Take both clocks; return the line's time."""
        if self._first_ns is None:
            self._first_ns = wall_ns - monotonic_ns
        shift_ns = self._shifts_ns[1]
        self._shifts_ns = shift_ns, shift_ns - self._steps.look(monotonic_ns, wall_ns, monotonic_ns)
        self._now_ns = self._first_ns + monotonic_ns
        return self._now_ns

    def moments(self, stamps_ns: Iterable[int]) -> list[int]:
        """Return when stamps of the time up to the newest look were, rising; their own times while the clock does not step."""
        (before_ns, since_ns), now_ns = self._shifts_ns, self._now_ns
        if before_ns == since_ns:
            return sorted({min(stamp_ns + since_ns, now_ns) for stamp_ns in stamps_ns})
        earlier_ns, later_ns = sorted(self._shifts_ns)
        return sorted(
            {
                min(stamp_ns + (later_ns if stamp_ns + later_ns <= now_ns else earlier_ns), now_ns)
                for stamp_ns in stamps_ns
            }
        )


class Margin(NamedTuple):
    """By how much a time of day may be wrong, because the wall clock was set."""

    earlier_s: int
    """Seconds that it may have been earlier."""
    later_s: int
    """Seconds that it may have been later."""


CERTAIN: Final = Margin(0, 0)
"""The clock was not set."""


@dataclass
class ClockSettings:
    """Every setting that the wall clock had on one day: any of them may have been the right one.

    A clock is set because it was wrong, or becomes wrong by that; nobody here can tell. So a moment lies between the earliest
    and the latest time of day that one of its settings gives, and how long something lasted is for the monotonic clock to say.
    """

    _least_ns: int | None = None
    """How far the wall clock was ahead of the monotonic one at least; None before the first stamp."""
    _most_ns: int = 0
    """At most."""
    _present_ns: int = 0
    """At the newest stamp."""

    def take(self, wall_ns: int, monotonic_ns: int) -> Margin:
        """Take both sides of a stamp; return what this setting adds to the margin of every earlier moment."""
        ahead_ns = self._present_ns = wall_ns - monotonic_ns
        if self._least_ns is None:
            self._least_ns = self._most_ns = ahead_ns
        added = _margin(self._least_ns - ahead_ns, ahead_ns - self._most_ns)
        if added.earlier_s:
            self._least_ns = ahead_ns
        if added.later_s:
            self._most_ns = ahead_ns
        return added

    def restarted(self, wall_ns: int, monotonic_ns: int, back_ns: int) -> None:
        """Go on in another process, whose monotonic clock may have begun anew: what was doubtful stays so.

        Args:
            wall_ns: its first stamp, wall clock.
            monotonic_ns: monotonic clock.
            back_ns: how far the clock was set back before it.
        """
        earlier_ns = 0 if self._least_ns is None else self._present_ns - self._least_ns
        later_ns = self._most_ns - self._present_ns + back_ns
        self._present_ns = wall_ns - monotonic_ns
        self._least_ns = self._present_ns - max(0, earlier_ns - back_ns)
        self._most_ns = self._present_ns + later_ns

    def margin(self) -> Margin:
        """Return the margin of the newest stamp."""
        if self._least_ns is None:
            return CERTAIN
        return _margin(self._present_ns - self._least_ns, self._most_ns - self._present_ns)


def _margin(earlier_ns: int, later_ns: int) -> Margin:
    """Return whole seconds, rounded up, of what is a step."""
    return Margin(*(-(-part // NANOSECONDS) if part > STEP_NS else 0 for part in (earlier_ns, later_ns)))
