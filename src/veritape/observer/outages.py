"""Spans in which nobody watched: the socket was down, or the process was (OB-671, OB-675).

One disconnection ends the watch of up to 41 codes. It is one outage, and the holes that it left are its children: never
41 markers for one event. Outages follow from the recorder's own notes, so the journal alone tells them again.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

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

    def seconds(self, open_s: int, close_s: int) -> int:
        """Return how much of a session it took."""
        return max(0, min(close_s if self.end_s is None else self.end_s, close_s) - max(self.start_s, open_s))

    def overlaps(self, left_s: int, right_s: int) -> bool:
        """Tell whether it may explain a hole between two seconds."""
        return self.start_s <= right_s and (self.end_s is None or self.end_s >= left_s)


@dataclass
class Outages:
    """The outages of one day, in the order in which they began."""

    spans: list[Outage] = field(default_factory=list)

    def watch_closed(self, cause: Cause, second: int, now_ns: int) -> None:
        """Note the end of a watch; the first of a lost connection begins an outage."""
        if cause in LOST_CONNECTION and self._open(Scope.CONNECTION) is None:
            self.spans.append(Outage(Scope.CONNECTION, cause, second, None, now_ns, None))

    def watch_opened(self, second: int, now_ns: int) -> None:
        """Note that a code is watched: the connection is back."""
        self._end(Scope.CONNECTION, second, now_ns)

    def process_was_down(self, cause: Cause, span: tuple[int, int], stamps: tuple[int, int]) -> None:
        """Note a restart.

        Args:
            cause: ``operator_stop`` after a clean stop, else ``process_down``.
            span: venue seconds of the last durable record and of the restart.
            stamps: wall clock of both.
        """
        self._end(Scope.CONNECTION, span[0], stamps[0])
        self.spans.append(Outage(Scope.PROCESS, cause, span[0], span[1], stamps[0], stamps[1]))

    def in_session(self, open_s: int, close_s: int) -> list[Outage]:
        """Return those that took a part of the session."""
        return [outage for outage in self.spans if outage.seconds(open_s, close_s) > 0]

    def _open(self, scope: Scope) -> int | None:
        lasting = [n for n, one in enumerate(self.spans) if one.scope is scope and one.end_s is None]
        return lasting[-1] if lasting else None

    def _end(self, scope: Scope, second: int, now_ns: int) -> None:
        index = self._open(scope)
        if index is not None:
            self.spans[index] = self.spans[index]._replace(end_s=second, closed_ns=now_ns)
