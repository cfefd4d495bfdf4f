"""Counts of gaps that always add up, from repeated looks at the gaps there are (TL-190, TL-210).

Every gap is counted as detected once, as closed once, and as high once. At any moment: detected = low + medium + high +
those still open below high. A gap that is gone was filled: it closed with what was last known of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from veritape.observer.gaps import Cause, State
from veritape.observer.severity import Severity

ENDED = frozenset({State.FILLED, State.RESIDUAL, State.CLEARED, State.CONTRADICTED})
"""States from which a gap does not come back."""


class Seen(NamedTuple):
    """A gap at one look."""

    severity: Severity
    cause: Cause
    state: State


@dataclass
class GapCounts:
    """What was counted so far."""

    detected: int = 0
    """Gaps ever seen."""
    closed: dict[Severity, int] = field(default_factory=lambda: dict.fromkeys(Severity, 0))
    """Low and medium: those closed so; high: those that reached it."""
    causes: dict[Cause, int] = field(default_factory=lambda: dict.fromkeys(Cause, 0))
    """Closed gaps by cause."""
    _open: dict[str, Seen] = field(default_factory=dict)
    _high: set[str] = field(default_factory=set)
    _ended: set[str] = field(default_factory=set)

    def look(self, gaps: Iterable[tuple[str, Seen]], *, day_is_over: bool = False) -> None:
        """Take every gap that there is, with its name; at the end of a day what is open closes, and the names are forgotten."""
        now = dict(gaps)
        for name, seen in now.items():
            if name not in self._open and name not in self._ended:
                self.detected += 1
                self._open[name] = seen
        for name in list(self._open):
            seen = self._open[name] = now.get(name, self._open[name])
            if seen.severity is Severity.HIGH and name not in self._high:
                self._high.add(name)
                self.closed[Severity.HIGH] += 1
            if name not in now or seen.state in ENDED or day_is_over:
                self._close(name, seen)
        if day_is_over:
            self._ended.clear()
            self._high.clear()

    def open(self, severity: Severity) -> int:
        """Return how many are open with a severity; one that was high stays high."""
        return sum(self._severity(name, seen) is severity for name, seen in self._open.items())

    def _close(self, name: str, seen: Seen) -> None:
        del self._open[name]
        self._ended.add(name)
        self.causes[seen.cause] += 1
        if name not in self._high:
            self.closed[seen.severity] += 1

    def _severity(self, name: str, seen: Seen) -> Severity:
        return Severity.HIGH if name in self._high else seen.severity
