"""What the broker counted for an appkey: tests of pacing read this, not the client's own account (KIS-174)."""

from collections import deque
from typing import Any, Final

from veritape.kernel.clock import NANOSECONDS

COUNTED: Final = ("calls", "refusals", "tokens", "approvals", "connects", "commands")
"""What is counted."""

SECOND_NS: Final = NANOSECONDS
"""The short window."""

MINUTE_NS: Final = 60 * NANOSECONDS
"""The long window."""


class Peak:
    """The largest count of events in any window of one length."""

    def __init__(self, window_ns: int) -> None:
        self.largest = 0
        """Most events in any (t - window, t]."""
        self._window_ns = window_ns
        self._stamps: deque[int] = deque()

    def add(self, now_ns: int) -> None:
        """Count one event; time never goes back."""
        while self._stamps and self._stamps[0] <= now_ns - self._window_ns:
            self._stamps.popleft()
        self._stamps.append(now_ns)
        self.largest = max(self.largest, len(self._stamps))


class Tally:
    """One kind of event."""

    def __init__(self) -> None:
        self.count = 0
        """All of them."""
        self.second = Peak(SECOND_NS)
        """By the second."""
        self.minute = Peak(MINUTE_NS)
        """By the minute."""

    def add(self, now_ns: int) -> None:
        """Count one event."""
        self.count += 1
        self.second.add(now_ns)
        self.minute.add(now_ns)


class Report:
    """The account of one appkey."""

    def __init__(self) -> None:
        self._tallies = {name: Tally() for name in COUNTED}

    def add(self, name: str, now_ns: int) -> None:
        """Count an event of ``COUNTED``."""
        self._tallies[name].add(now_ns)

    @property
    def calls(self) -> int:
        """REST calls, refused ones included."""
        return self._tallies["calls"].count

    @property
    def refusals(self) -> int:
        """Calls and commands that were refused."""
        return self._tallies["refusals"].count

    @property
    def tokens(self) -> int:
        """Token requests that were granted."""
        return self._tallies["tokens"].count

    @property
    def approvals(self) -> int:
        """Approval keys that were given."""
        return self._tallies["approvals"].count

    @property
    def connects(self) -> int:
        """Sockets that showed a good key."""
        return self._tallies["connects"].count

    @property
    def commands(self) -> int:
        """Commands with a good key."""
        return self._tallies["commands"].count

    def document(self) -> dict[str, Any]:
        """Return every count with its largest second and minute."""
        return {
            name: {
                "count": tally.count, "most_in_1_s": tally.second.largest, "most_in_60_s": tally.minute.largest,
            }
            for name, tally in self._tallies.items()
        }  # fmt: skip
