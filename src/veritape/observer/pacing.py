"""The one limiter of an account's REST calls (OB-251 to 255).

Guarantee: no window of one second of *server arrival times* holds more than N answered requests, whatever the network
does. Method: N permits; a permit taken for a request returns one second after its answer was seen. If request b takes
the permit that request a returned, then arrival(b) >= grant(b) >= answer(a) + 1 s >= arrival(a) + 1 s, so the users of
one permit never share a window. Grants are also spaced by 1/N s, so that they are never a burst.
"""

import heapq
from dataclasses import dataclass, field
from typing import Final

from veritape.kernel.clock import NANOSECONDS

WAITING: Final = 10_000
"""Callers that may wait; one more is refused (OB-257)."""


@dataclass
class Pacer:
    """Permits of one account; every method takes the present."""

    permits: int
    """N: requests of a sliding second."""
    spacing: bool = True
    """Whether grants are spread over the second."""
    _returning: list[int] = field(default_factory=list)
    _in_flight: int = 0
    _next_ns: int = 0
    _seen_ns: int = 0

    def grant(self, now_ns: int) -> int | None:
        """Take a permit; return None when it is granted now, else the time at which to ask again.

        A clock that steps back counts as standing still. While every permit is in flight the time is a guess: one
        second on, or when ``answered`` was called.
        """
        now_ns = self._now(now_ns)
        while self._returning and self._returning[0] <= now_ns:
            heapq.heappop(self._returning)
        if self._in_flight + len(self._returning) >= self.permits:
            return self._returning[0] if self._returning else now_ns + NANOSECONDS
        if self.spacing and now_ns < self._next_ns:
            return self._next_ns
        self._in_flight += 1
        self._next_ns = now_ns + NANOSECONDS // self.permits
        return None

    def answered(self, now_ns: int) -> None:
        """Note that an answer was seen, or that a connection was closed after its timeout."""
        self._in_flight -= 1
        heapq.heappush(self._returning, self._now(now_ns) + NANOSECONDS)

    def cancelled(self) -> None:
        """Return a permit whose call was never sent."""
        self._in_flight -= 1

    @property
    def in_use(self) -> int:
        """Return the permits that are not free."""
        return self._in_flight + len(self._returning)

    def _now(self, now_ns: int) -> int:
        self._seen_ns = max(self._seen_ns, now_ns)
        return self._seen_ns
