"""The one limiter of an account's REST calls (OB-251 to 260).

Guarantee: no window of one second of *server arrival times* holds more than N answered requests, whatever the network
does. Method: N permits; a permit taken for a request returns one second after its answer was seen. Take the last granted
request b of a window. Every request a that was granted before it and whose permit had returned by then has
arrival(b) >= grant(b) >= answer(a) + 1 s >= arrival(a) + 1 s, so it lies in no window with b. At most N - 1 permits had
not returned: so the window holds b and at most N - 1 others. Counting permits, and not naming them, keeps the argument
when N falls or rises. Grants are also spaced by 1/N s, so that they are never a burst.

N itself learns (OB-258, OB-259): the broker's counters are distributed and may refuse inside the stated limit. A second
refusal within a minute lowers N by a fifth and pauses everybody for a second, a quiet minute raises it by one, and three
refusals within ten minutes at the same N put a ceiling below it until the next day.

``Pace`` is what all processes of an account share; ``pacing_page`` writes it into a file.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

from veritape.kernel.clock import NANOSECONDS

SLOTS: Final = 20
"""Permits that exist: the largest N that the settings allow."""

CALL_NS: Final = 10 * NANOSECONDS
"""Longest life of a call (KIS-027); a dead process's permit returns this and a second after its grant (OB-256)."""

MEMORY_NS: Final = 60 * NANOSECONDS
"""Two refusals this close lower N; this long without one raises it."""

PAUSE_NS: Final = NANOSECONDS
"""Every lane waits this long after N was lowered."""

CEILING_NS: Final = 600 * NANOSECONDS
"""Refusals at one N within this time make a ceiling."""

CEILING_REFUSALS: Final = 3
"""So many of them."""

REFUSALS_KEPT: Final = 8
"""Refusals that are remembered: more than a ceiling needs."""


class PacingReason(StrEnum):
    """Why the limiter refuses a caller."""

    PACING_FULL = "pacing_full"
    """Ten thousand callers wait already."""


class SlotState(IntEnum):
    """What a permit is doing; the numbers stand in the file."""

    FREE = 0
    """It may be granted."""
    IN_FLIGHT = 1
    """Its request was granted and is not answered."""
    RETURNING = 2
    """Its answer was seen; it is free at ``release_ns``."""


class Slot(NamedTuple):
    """One permit."""

    release_ns: int = 0
    """Monotonic time of its return; in flight, of its return should its holder die."""
    holder: int = 0
    """Process id that took it."""
    state: SlotState = SlotState.FREE


class Permit(NamedTuple):
    """What a caller holds."""

    slot: int
    """Index of the permit."""
    granted_ns: int
    """Monotonic time of the grant."""


class Refused(NamedTuple):
    """One refusal for speed."""

    at_ns: int
    permits: int
    """N at that moment."""


class PaceFigures(NamedTuple):
    """What the limiter shows of itself (OB-260)."""

    in_use: int
    """Permits that are not free."""
    permits: int
    """N in force."""
    ceiling: int
    """What N may rise to."""
    refusals: int
    """Refusals for speed since the state began."""
    pauses: int
    """Times that everybody was paused."""


@dataclass
class Pace:
    """The permits of one account; every method takes the present, and a present before the last one counts as the last."""

    limit: int
    """N of the settings."""
    spacing: bool = True
    """Whether grants are spread over the second."""
    permits: int = 0
    """N in force; 0 stands for the limit while the object is made."""
    ceiling: int = 0
    """What N may rise to; likewise."""
    day: int = 0
    """Business date (YYYYMMDD) for which the ceiling was learned."""
    slots: list[Slot] = field(default_factory=lambda: [Slot()] * SLOTS)
    seen_ns: int = 0
    next_ns: int = 0
    """Before it no grant is spaced enough."""
    paused_ns: int = 0
    """Before it nobody is served."""
    lowered_ns: int = 0
    """When N was last lowered: refusals of requests granted before it say nothing new."""
    quiet_ns: int = 0
    """Since when there was no refusal, or N was last raised."""
    refusals: list[Refused] = field(default_factory=list)
    refusal_count: int = 0
    pause_count: int = 0

    def __post_init__(self) -> None:
        self.permits = self.permits or self.limit
        self.ceiling = self.ceiling or self.limit

    def grant(self, now_ns: int, holder: int, alive: Callable[[int, int], bool]) -> Permit | int:
        """Take a permit now, or return the time at which to ask again.

        Args:
            now_ns: monotonic.
            holder: process id of the caller.
            alive: whether a process (its id) that was granted a permit at a time still runs.
        """
        now_ns = self._now(now_ns)
        self._expire(now_ns, alive)
        self._rise(now_ns)
        earliest_ns = max(self.paused_ns, self.next_ns if self.spacing else 0)
        if now_ns < earliest_ns:
            return earliest_ns
        taken = [slot for slot in self.slots if slot.state is not SlotState.FREE]
        if len(taken) >= self.permits:
            returning = [slot.release_ns for slot in taken if slot.state is SlotState.RETURNING]
            return min(returning, default=now_ns + NANOSECONDS // self.permits)
        index = next(i for i, slot in enumerate(self.slots) if slot.state is SlotState.FREE)
        self.slots[index] = Slot(now_ns + CALL_NS + NANOSECONDS, holder, SlotState.IN_FLIGHT)
        self.next_ns = now_ns + -(-NANOSECONDS // self.permits)
        return Permit(index, now_ns)

    def answered(self, permit: Permit, now_ns: int) -> None:
        """Note that an answer was seen, or that a connection was closed after its timeout."""
        now_ns = self._now(now_ns)
        if self._is_held(permit):
            holder = self.slots[permit.slot].holder
            self.slots[permit.slot] = Slot(now_ns + NANOSECONDS, holder, SlotState.RETURNING)

    def cancelled(self, permit: Permit) -> None:
        """Return a permit whose call was never sent."""
        if self._is_held(permit):
            self.slots[permit.slot] = Slot()

    def refused(self, permit: Permit, now_ns: int) -> None:
        """Note that the broker refused a request for speed, before ``answered`` is told of it (OB-258, OB-259)."""
        now_ns = self._now(now_ns)
        self.refusal_count += 1
        if permit.granted_ns < self.lowered_ns:
            return
        is_second = bool(self.refusals) and now_ns - self.refusals[-1].at_ns < MEMORY_NS
        self.refusals = [*self.refusals, Refused(now_ns, self.permits)][-REFUSALS_KEPT:]
        same = [r for r in self.refusals if r.permits == self.permits and now_ns - r.at_ns <= CEILING_NS]
        if len(same) >= CEILING_REFUSALS:
            self.ceiling = max(1, self.permits - 1)
        if is_second:
            self.permits = max(1, self.permits * 4 // 5)
            self.paused_ns, self.lowered_ns = now_ns + PAUSE_NS, now_ns
            self.pause_count += 1
        self.permits = min(self.permits, self.ceiling)
        self.quiet_ns = now_ns

    def begin_day(self, day: int) -> None:
        """Forget a ceiling that was learned on another business date."""
        if day != self.day:
            self.day, self.ceiling = day, self.limit

    @property
    def figures(self) -> PaceFigures:
        """Return what the limiter shows of itself."""
        in_use = sum(slot.state is not SlotState.FREE for slot in self.slots)
        return PaceFigures(in_use, self.permits, self.ceiling, self.refusal_count, self.pause_count)

    def _is_held(self, permit: Permit) -> bool:
        """Tell whether a permit is still the caller's; a file that was reset knows nothing of it."""
        slot = self.slots[permit.slot]
        return (
            slot.state is SlotState.IN_FLIGHT and slot.release_ns == permit.granted_ns + CALL_NS + NANOSECONDS
        )

    def _expire(self, now_ns: int, alive: Callable[[int, int], bool]) -> None:
        for index, slot in enumerate(self.slots):
            if slot.state is SlotState.FREE or slot.release_ns > now_ns:
                continue
            granted_ns = slot.release_ns - CALL_NS - NANOSECONDS
            if slot.state is SlotState.RETURNING or not alive(slot.holder, granted_ns):
                self.slots[index] = Slot()

    def _rise(self, now_ns: int) -> None:
        while self.permits < self.ceiling and now_ns - self.quiet_ns >= MEMORY_NS:
            self.permits += 1
            self.quiet_ns += MEMORY_NS

    def _now(self, now_ns: int) -> int:
        self.seen_ns = max(self.seen_ns, now_ns)
        return self.seen_ns
