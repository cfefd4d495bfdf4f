"""The life of gaps: one record when one opens and one when it closes, however often anyone looks (OB-671).

``suspected`` comes from a sweep that is ahead of a silent line (level e). The next record settles it: a hole at the same
place makes it ``open`` under the same name, no hole makes it ``cleared``. An open gap ends as ``filled``, ``residual`` or
``contradicted``; one whose trades came late is ``filled``, though nothing of it is left to look at.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from veritape.observer.gaps import Cause, State
from veritape.observer.severity import Severity

ENDED: Final = frozenset({State.FILLED, State.RESIDUAL, State.CLEARED, State.CONTRADICTED})
"""States from which a gap does not come back."""


class Moment(StrEnum):
    """What a record of a gap's life tells."""

    OPENED = "opened"
    """It was found."""
    CLOSED = "closed"
    """It ended, in the state that the record names."""


class LifeRecord(NamedTuple):
    """One record; two a gap at most."""

    moment: Moment
    gap_id: str
    parent: str | None
    """Gap of the outage that it belongs to."""
    code: str | None
    """Symbol; None for a gap that is no line's."""
    cause: Cause
    severity: Severity
    state: State
    at_ns: int
    """Wall clock of the look that found it."""
    shares: int
    """Missing shares at that look."""


@dataclass
class GapLife:
    """Every gap of one day that was ever seen."""

    _seen: dict[str, LifeRecord] = field(default_factory=dict)
    """Gap -> its newest record."""
    _suspected: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Gap -> code and shares that a sweep saw."""

    @property
    def open(self) -> list[LifeRecord]:
        """Return what has not ended."""
        return [record for record in self._seen.values() if record.state not in ENDED]

    def suspect(
        self, gap_id: str, code: str, seen_shares: int, missing_shares: int, now_ns: int
    ) -> list[LifeRecord]:
        """Note that a sweep is ahead of a line whose last record stands at the gap's left edge."""
        if gap_id in self._seen:
            return []
        self._suspected[gap_id] = (code, seen_shares)
        record = LifeRecord(
            Moment.OPENED,
            gap_id,
            None,
            code,
            Cause.FRAME_LOST,
            Severity.LOW,
            State.SUSPECTED,
            now_ns,
            missing_shares,
        )
        self._seen[gap_id] = record
        return [record]

    def look(
        self, documents: Iterable[Mapping[str, Any]], ends: Mapping[str, int], now_ns: int
    ) -> list[LifeRecord]:
        """Compare with what is missing now; return the records to write.

        Args:
            documents: the gaps of the day, the parents among them.
            ends: code -> shares up to which its line reaches.
            now_ns: wall clock.
        """
        present = {gap["id"]: gap for gap in documents}
        records = [record for gap in present.values() for record in self._compare(gap, now_ns)]
        for gap_id in [one for one in self._seen if one not in present]:
            records += self._vanished(gap_id, ends, now_ns)
        return records

    def _compare(self, gap: Mapping[str, Any], now_ns: int) -> list[LifeRecord]:
        known, state = self._seen.get(gap["id"]), State(gap["state"])
        self._suspected.pop(gap["id"], None)
        if known is not None and known.state in ENDED:
            return []
        records = [] if known else [_record(Moment.OPENED, gap, State.OPEN, now_ns)]
        if state in ENDED:
            records.append(_record(Moment.CLOSED, gap, state, now_ns))
        self._seen[gap["id"]] = _record(Moment.OPENED, gap, state, now_ns)
        return records

    def _vanished(self, gap_id: str, ends: Mapping[str, int], now_ns: int) -> list[LifeRecord]:
        known = self._seen[gap_id]
        if known.state in ENDED:
            return []
        if gap_id in self._suspected:
            code, seen_shares = self._suspected[gap_id]
            if ends.get(code, 0) < seen_shares:
                return []
            del self._suspected[gap_id]
        state = State.CLEARED if known.state is State.SUSPECTED else State.FILLED
        ended = known._replace(moment=Moment.CLOSED, state=state, at_ns=now_ns, shares=0)
        self._seen[gap_id] = ended
        return [ended]


def _record(moment: Moment, gap: Mapping[str, Any], state: State, now_ns: int) -> LifeRecord:
    return LifeRecord(
        moment, gap["id"], gap["parent"], gap["code"], Cause(gap["cause"]), Severity(gap["severity"]), state, now_ns,
        gap["residual"]["shares"],
    )  # fmt: skip
