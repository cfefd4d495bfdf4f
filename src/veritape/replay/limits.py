"""The broker's limits and the window in which calls are counted (KIS-170 to 173).

Each number is a setting; its text carries the date of its evidence, because the broker changes them by notice.
"""

from collections import deque
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from veritape.kernel.clock import NANOSECONDS
from veritape.wire.kis.rest import ISSUE_SECONDS, REGISTRATIONS, REQUESTS_PER_SECOND


@dataclass(frozen=True)
class Limits:
    """What one appkey may do."""

    rest_per_s: int = REQUESTS_PER_SECOND
    """Calls of a sliding second: 18 since the notice of 2026-04-20, 20 before (2025-08)."""
    token_every_s: float = ISSUE_SECONDS
    """Least seconds between two token requests: 60 by the vendor's README of 2026-07-09."""
    approval_every_s: float = 0.0
    """Least seconds between two approval keys: a notice names 1, its refusal is unknown, so 0 is off."""
    registrations: int = REGISTRATIONS
    """Registrations of the one socket: 41, seen by three projects until 2026-09; 3 seen once."""


PROFILES: Final = MappingProxyType(
    {"real": Limits(), "paper": Limits(rest_per_s=1), "new": Limits(rest_per_s=3)}
)
"""Kinds of account: paper has 1 call a second since 2026-04-20, a new applicant 3 in the first three days since 2026-04-03."""


class SlidingWindow:
    """Counts events of the last second, refused ones included (KIS-171)."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """Most events that are admitted."""
        self.largest = 0
        """Most events in any one second."""
        self._stamps: deque[int] = deque()

    def admits(self, now_ns: int) -> bool:
        """Count one event; tell whether it is within the limit."""
        while self._stamps and self._stamps[0] <= now_ns - NANOSECONDS:
            self._stamps.popleft()
        self._stamps.append(now_ns)
        self.largest = max(self.largest, len(self._stamps))
        return len(self._stamps) <= self.limit
