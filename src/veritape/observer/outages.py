"""Spans in which nobody watched: the socket was down, or the process was (OB-671, OB-675).

One disconnection ends the watch of up to 41 codes. It is one outage, and the holes that it left are its children: never
41 markers for one event. Outages follow from the recorder's own notes, so the journal alone tells them again.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from veritape.kernel.clock import NANOSECONDS
from veritape.observer.clock_steps import CERTAIN, STEP_NS, Margin
from veritape.observer.gaps import Cause

LOST_CONNECTION: Final = frozenset({Cause.WS_DISCONNECT, Cause.WS_SILENT, Cause.STORAGE_FAILED})
"""Ends of a watch that concern every code of the connection."""


class Scope(StrEnum):
    """What was not watched."""

    LINE = "line"
    """One code."""
    CONNECTION = "connection"
    """Every code: the socket was down."""
    PROCESS = "process"
    """Everything: the recorder did not run."""
    SWEEP = "sweep"
    """Codes of a sweep."""


class Stamp(NamedTuple):
    """When something was noted."""

    second: int
    """Venue second, by our wall clock."""
    wall_ns: int
    """Wall clock."""
    monotonic_ns: int
    """Monotonic clock of the process that noted it."""
    margin: Margin = CERTAIN
    """By how much the second may be wrong, because the clock was set."""


class Outage(NamedTuple):
    """One span."""

    scope: Scope
    cause: Cause
    start_s: int
    """Venue second at which it began."""
    end_s: int | None
    """Second at which it ended; None while it lasts."""
    opened_ns: int
    """Wall clock at its beginning."""
    closed_ns: int | None
    """Wall clock at its end; None while it lasts."""
    began_ns: int = 0
    """Monotonic clock at its beginning."""
    margin: Margin = CERTAIN
    """By how much its seconds may be wrong, because the clock was set."""
    lasted_s: int | None = None
    """How long it was by the monotonic clock, where the clock was set; None where its seconds say it."""

    @property
    def earliest_s(self) -> int:
        """Return the first second at which it may have begun."""
        return self.start_s - self.margin.earlier_s

    @property
    def latest_s(self) -> int | None:
        """Return the last second at which it may have ended; None while it lasts."""
        return None if self.end_s is None else self.end_s + self.margin.later_s

    def seconds(self, open_s: int, close_s: int) -> int:
        """Return how much of a session it took, at most."""
        latest_s = self.latest_s
        taken_s = min(close_s if latest_s is None else latest_s, close_s) - max(self.earliest_s, open_s)
        return max(0, taken_s if self.lasted_s is None else min(taken_s, self.lasted_s))

    def overlaps(self, left_s: int, right_s: int) -> bool:
        """Tell whether it may explain a hole between two seconds."""
        latest_s = self.latest_s
        return self.earliest_s <= right_s and (latest_s is None or latest_s >= left_s)


@dataclass
class Outages:
    """The outages of one day, in the order in which they began."""

    spans: list[Outage] = field(default_factory=list)

    def watch_closed(self, cause: Cause, at: Stamp) -> None:
        """Note the end of a watch; the first of a lost connection begins an outage."""
        if cause in LOST_CONNECTION and self._open(Scope.CONNECTION) is None:
            margin = Margin(at.margin.earlier_s, 0)
            self.spans.append(
                Outage(
                    Scope.CONNECTION, cause, at.second, None, at.wall_ns, None, at.monotonic_ns, margin
                )
            )  # fmt: skip

    def watch_opened(self, at: Stamp) -> None:
        """Note that a code is watched: the connection is back."""
        self._end(Scope.CONNECTION, at)

    def process_was_down(self, cause: Cause, last: Stamp, now: Stamp) -> None:
        """Note a restart.

        Args:
            cause: ``operator_stop`` after a clean stop, else ``process_down``.
            last: the last durable record.
            now: the restart.
        """
        self._end(Scope.CONNECTION, last)
        margin = Margin(last.margin.earlier_s, now.margin.later_s)
        lasted_ns = max(now.monotonic_ns - last.monotonic_ns, now.wall_ns - last.wall_ns)
        down = Outage(Scope.PROCESS, cause, last.second, now.second, last.wall_ns, now.wall_ns)
        lasted_s = -(-lasted_ns // NANOSECONDS) if margin != CERTAIN and lasted_ns > 0 else None
        self.spans.append(down._replace(margin=margin, lasted_s=lasted_s))

    def widen(self, added: Margin) -> None:
        """Take into account that the clock was set: every second so far may be wrong by that."""
        for index, one in enumerate(self.spans):
            margin = Margin(one.margin.earlier_s + added.earlier_s, one.margin.later_s + added.later_s)
            lasted_s = (
                one.lasted_s if one.end_s is None or one.lasted_s is not None else one.end_s - one.start_s
            )
            self.spans[index] = one._replace(margin=margin, lasted_s=lasted_s)

    def in_session(self, open_s: int, close_s: int) -> list[Outage]:
        """Return those that took a part of the session."""
        return [outage for outage in self.spans if outage.seconds(open_s, close_s) > 0]

    def _open(self, scope: Scope) -> int | None:
        lasting = [n for n, one in enumerate(self.spans) if one.scope is scope and one.end_s is None]
        return lasting[-1] if lasting else None

    def _end(self, scope: Scope, at: Stamp) -> None:
        index = self._open(scope)
        if index is None:
            return
        one = self.spans[index]
        margin = Margin(one.margin.earlier_s, at.margin.later_s)
        lasted_ns = at.monotonic_ns - one.began_ns
        was_set = margin != CERTAIN or abs(at.wall_ns - one.opened_ns - lasted_ns) > STEP_NS
        lasted_s = -(-lasted_ns // NANOSECONDS) if was_set else None
        self.spans[index] = one._replace(
            end_s=at.second, closed_ns=at.wall_ns, margin=margin, lasted_s=lasted_s
        )
