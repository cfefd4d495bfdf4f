"""Who holds a slot: allocation, replacement, hysteresis, dwell and the budget of changes (OB-345 to 347).

A candidate that holds a slot keeps it; else it takes a free one; else the weakest one, if its score is clearly higher, the
holder has dwelt, and the broker's patience with changes is not used up; else it overflows. Pinned slots are never given up.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from veritape.kernel.clock import NANOSECONDS
from veritape.observer.overflow import OverflowReason, Weakest
from veritape.observer.scores import MICRO, Scores

MINUTE_NS: Final = 60 * NANOSECONDS
"""Window of the changes a minute."""

HOUR_NS: Final = 3600 * NANOSECONDS
"""Window of the changes an hour."""

ALLOCATION, REPLACEMENT = 1, 2
"""Changes: a registration; a release and a registration."""


class Decision(StrEnum):
    """What an evaluation did with a code (OB-306)."""

    ALLOCATED = "allocated"
    """It took a free slot."""
    REPLACED = "replaced"
    """It took the weakest one's slot."""
    KEPT = "kept"
    """It holds a slot already."""
    OVERFLOW = "overflow"
    """It got none."""
    RELEASED = "released"
    """It gave its slot up."""
    REFUSED = "refused"
    """The broker refuses it; not again today."""


@dataclass(frozen=True)
class Limits:
    """Settings of the allocation."""

    slots: int
    """Codes that may be watched at once."""
    dwell_s: int = 120
    """Seconds for which a slot is held before it may be taken."""
    hysteresis_micro: int = 1_200_000
    """A candidate needs the weakest score times this, in millionths."""
    churn_hysteresis_micro: int = 1_500_000
    """The same while more than half of a minute's changes are used."""
    changes_per_minute: int = 24
    """Registrations and releases of a sliding minute; the broker blocks loops (notices of 2026-01-15 and 02-24)."""
    changes_per_hour: int = 240
    """And of a sliding hour."""


@dataclass(frozen=True)
class Seat:
    """One slot that is held."""

    index: int
    """Number of the slot, from 0."""
    since_ns: int
    """When it was taken."""
    pinned: bool
    """On the operator's list."""


class Made(NamedTuple):
    """One decision."""

    code: str
    decision: Decision
    slot: int | None
    """Number of the slot, None without one."""
    trigger: str
    """What its score comes from; empty when nothing is alive."""
    score_micro: int
    reason: str
    """Why: an overflow reason, or what the decision answers to."""
    released: str | None = None
    """Who gave the slot up for it."""
    weakest: Weakest | None = None
    """The slot that it was held against."""


@dataclass
class Seats:
    """All slots, and the changes that were made lately."""

    scores: Scores
    limits: Limits
    held: dict[str, Seat] = field(default_factory=dict)
    """Code -> its slot."""
    learned: int | None = None
    """Slots that the broker allows, when fewer than configured."""
    settled: bool = False
    """Whether the day's first choice was made; until then nobody loses a slot (OB-391)."""
    _changes: deque[int] = field(default_factory=deque)

    @property
    def capacity(self) -> int:
        """Return how many codes may be watched."""
        return self.limits.slots if self.learned is None else min(self.learned, self.limits.slots)

    def offer(self, code: str, now_ns: int) -> Made:
        """Find a slot for a candidate (OB-345)."""
        trigger, score = self.scores.best(code, now_ns)
        seat = self.held.get(code)
        if seat is not None:
            return Made(code, Decision.KEPT, seat.index, trigger, score, "held")
        weakest = self.weakest(now_ns)
        if len(self.held) < self.capacity:
            if not self.has_budget(ALLOCATION, now_ns):
                return self._overflow(code, now_ns, weakest, OverflowReason.CHURN)
            self._changes.append(now_ns)
            return self.take(code, now_ns, "free_slot")
        reason = self._why_not(score, weakest, now_ns)
        if weakest is None or reason is not None:
            return self._overflow(code, now_ns, weakest, reason or OverflowReason.NO_SLOT)
        self._changes.extend([now_ns] * REPLACEMENT)
        del self.held[weakest.code]
        made = self.take(code, now_ns, "higher_score")
        return made._replace(decision=Decision.REPLACED, released=weakest.code, weakest=weakest)

    def take(self, code: str, now_ns: int, reason: str, *, pinned: bool = False) -> Made:
        """Give a code a free slot whatever the budget: the day's first choices, and what ``offer`` decided."""
        used = {seat.index for seat in self.held.values()}
        index = next(number for number in range(len(used) + 1) if number not in used)
        self.held[code] = Seat(index, now_ns, pinned)
        return Made(code, Decision.ALLOCATED, index, *self.scores.best(code, now_ns), reason)

    def release(self, code: str, now_ns: int, reason: str, decision: Decision = Decision.RELEASED) -> Made:
        """Take a code's slot away."""
        seat = self.held.pop(code)
        return Made(code, decision, seat.index, *self.scores.best(code, now_ns), reason)

    def pin(self, code: str, now_ns: int, *, pinned: bool) -> list[Made]:
        """Pin a code, making room when there is none, or let it be like any other."""
        seat = self.held.get(code)
        if seat is not None:
            self.held[code] = Seat(seat.index, seat.since_ns, pinned)
            return []
        made = []
        weakest = self.weakest(now_ns)
        if len(self.held) >= self.capacity and weakest is not None:
            made.append(self.release(weakest.code, now_ns, "manual"))
        return [*made, self.take(code, now_ns, "manual", pinned=True)]

    def weakest(self, now_ns: int) -> Weakest | None:
        """Return the slot that would be given up: the lowest score, then the smallest market cap, then the largest code."""
        free = [code for code, seat in self.held.items() if not seat.pinned]
        if not free:
            return None
        code = max(free, key=lambda one: self.scores.order(one, now_ns))
        return Weakest(code, self.scores.best(code, now_ns)[1])

    def wanted(self, now_ns: int) -> list[str]:
        """Return the codes by falling priority: pinned in their order, then by score (OB-349)."""
        pinned = sorted((seat.index, code) for code, seat in self.held.items() if seat.pinned)
        others = (code for code, seat in self.held.items() if not seat.pinned)
        return [code for _, code in pinned] + sorted(others, key=lambda one: self.scores.order(one, now_ns))

    def has_budget(self, changes: int, now_ns: int) -> bool:
        """Tell whether so many more changes are allowed now (OB-347)."""
        while self._changes and self._changes[0] <= now_ns - HOUR_NS:
            self._changes.popleft()
        return (
            len(self._changes) + changes <= self.limits.changes_per_hour
            and self._of_minute(now_ns) + changes <= self.limits.changes_per_minute
        )

    def hysteresis_micro(self, now_ns: int) -> int:
        """Return the factor in force: higher while more than half of the minute's changes are used."""
        high = 2 * self._of_minute(now_ns) > self.limits.changes_per_minute
        return self.limits.churn_hysteresis_micro if high else self.limits.hysteresis_micro

    def _of_minute(self, now_ns: int) -> int:
        return sum(at_ns > now_ns - MINUTE_NS for at_ns in self._changes)

    def _why_not(self, score: int, weakest: Weakest | None, now_ns: int) -> OverflowReason | None:
        """Return why a candidate may not take the weakest slot, None when it may."""
        if weakest is None:
            return OverflowReason.NO_SLOT
        if score * MICRO < self.hysteresis_micro(now_ns) * weakest.score_micro:
            return OverflowReason.HYSTERESIS
        if not self.settled or now_ns - self.held[weakest.code].since_ns < self.limits.dwell_s * NANOSECONDS:
            return OverflowReason.DWELL
        return None if self.has_budget(REPLACEMENT, now_ns) else OverflowReason.CHURN

    def _overflow(self, code: str, now_ns: int, weakest: Weakest | None, reason: OverflowReason) -> Made:
        best = self.scores.best(code, now_ns)
        return Made(code, Decision.OVERFLOW, None, *best, reason.value, weakest=weakest)
