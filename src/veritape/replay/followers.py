"""Clients that take their time from the tape, and when the tape waits for them (OB-810).

A follower's time-outs, sweeps and silences count tape time, and at 60 tape seconds a second, or as fast as the tape is read,
a client that gets no processor for a moment would find minutes gone in which it could do nothing: it would answer no
heartbeat, judge its connection silent and miss its sweeps. On a real market that would be its own fault; here it would be the
clock's. So the tape waits for a follower that is alive and has not asked for a while, and goes on without one whose
connection ended: a client that was killed misses what happens meanwhile.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MILLISECOND: Final = 1_000_000
"""Nanoseconds in a millisecond."""

LAG_NS: Final = 200 * MILLISECOND
"""Real time since a follower's last question at which the tape waits for the next: ten times its usual pause."""

PATIENCE_NS: Final = 30_000 * MILLISECOND
"""Real time after which a follower that does not ask is waited for no longer."""


class Question(NamedTuple):
    """A follower's last question for the time."""

    tape_ns: int
    """What it was told."""
    real_ns: int
    """When, on the monotonic clock."""
    is_gone: Callable[[], bool]
    """Tells whether its connection has ended."""
    step_ms: int | None = None
    """Most tape time that it lets pass before it asks again; None for any."""


@dataclass
class Followers:
    """Who asked for the time, and what they were told."""

    _asked: dict[Hashable, Question] = field(default_factory=dict)

    def asked(self, who: Hashable, question: Question) -> None:
        """Note that the client of a connection was told the time."""
        self._asked[who] = question

    @property
    def step_ms(self) -> int | None:
        """Return the longest jump of the tape that suits every follower, None for any."""
        return min((one.step_ms for one in self._asked.values() if one.step_ms is not None), default=None)

    def lag(self, tape_ns: int, real_ns: int, *, stepping: bool) -> bool:
        """Tell whether the tape waits; who is gone or was waited for long enough is forgotten.

        Args:
            tape_ns: the tape's time.
            real_ns: monotonic clock.
            stepping: the tape jumps from frame to frame, so every follower must have seen where it is.
        """
        for who, asked in list(self._asked.items()):
            if asked.is_gone() or real_ns - asked.real_ns >= PATIENCE_NS:
                del self._asked[who]
        return any(
            asked.tape_ns < tape_ns if stepping else real_ns - asked.real_ns >= LAG_NS
            for asked in self._asked.values()
        )
