"""The life of gaps: one record when one opens and one when it closes, however often anyone looks (OB-671).

``suspected`` comes from a sweep or a book that is ahead of a silent line (levels d and e). The next record settles it: a
hole at the same place makes it ``open`` under the same name, no hole makes it ``cleared``. An open gap ends as ``filled``,
``residual`` or ``contradicted``; one whose trades came late is ``filled``, though nothing of it is left to look at.

The records are journalled, so that a restarted recorder does not tell them again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from veritape.observer.gaps import State

ENDED: Final = frozenset({State.FILLED, State.RESIDUAL, State.CLEARED, State.CONTRADICTED})
"""States from which a gap does not come back."""

NOTHING: Final = {"trades": 0, "shares": 0, "value_krw": 0}
"""What is missing of a gap that is filled or cleared."""


class Moment(StrEnum):
    """What a record of a gap's life tells."""

    OPENED = "opened"
    """It was found."""
    CLOSED = "closed"
    """It ended, in the state that the document names."""


class LifeRecord(NamedTuple):
    """One record; two a gap at most."""

    moment: Moment
    gap: Mapping[str, Any]
    """The gap's document at that moment (OB-672)."""


@dataclass
class GapLife:
    """Every gap of one day that was ever seen."""

    _seen: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Gap -> its document at the newest look."""

    @property
    def open(self) -> list[Mapping[str, Any]]:
        """Return what has not ended."""
        return [gap for gap in self._seen.values() if gap["state"] not in ENDED]

    def remember(self, record: LifeRecord) -> None:
        """Take a record that was journalled: this process looked since, or another one wrote it before."""
        if record.moment is Moment.CLOSED or record.gap["id"] not in self._seen:
            self._seen[record.gap["id"]] = record.gap

    def suspect(self, gap: Mapping[str, Any]) -> list[LifeRecord]:
        """Note a suspicion: ``right`` holds the shares that were seen; return the record to write."""
        if gap["id"] in self._seen:
            return []
        self._seen[gap["id"]] = gap
        return [LifeRecord(Moment.OPENED, gap)]

    def look(
        self, gaps: Iterable[Mapping[str, Any]], ends: Mapping[str, int], now_ns: int
    ) -> list[LifeRecord]:
        """Compare with what is missing now; return the records to write.

        Args:
            gaps: documents of the day's gaps, the parents among them.
            ends: code -> shares up to which its line reaches.
            now_ns: wall clock.
        """
        present = {gap["id"]: gap for gap in gaps}
        records = [record for gap in present.values() for record in self._compare(gap, now_ns)]
        for gap_id in [one for one in self._seen if one not in present]:
            records += self._vanished(self._seen[gap_id], ends, now_ns)
        return records

    def _compare(self, gap: Mapping[str, Any], now_ns: int) -> list[LifeRecord]:
        known = self._seen.get(gap["id"])
        if known is not None and known["state"] in ENDED:
            return []
        records = (
            []
            if known
            else [LifeRecord(Moment.OPENED, {**gap, "state": State.OPEN.value, "closed_ns": None})]
        )
        if gap["state"] in ENDED:
            gap = {**gap, "closed_ns": gap["closed_ns"] or now_ns}
            records.append(LifeRecord(Moment.CLOSED, gap))
        self._seen[gap["id"]] = gap
        return records

    def _vanished(self, known: Mapping[str, Any], ends: Mapping[str, int], now_ns: int) -> list[LifeRecord]:
        suspected = known["state"] == State.SUSPECTED
        if known["state"] in ENDED or (
            suspected and ends.get(known["code"], 0) < known["right"]["chain_shares"]
        ):
            return []
        state = State.CLEARED if suspected else State.FILLED
        ended = {**known, "state": state.value, "closed_ns": now_ns, "residual": NOTHING}
        self._seen[known["id"]] = ended
        return [LifeRecord(Moment.CLOSED, ended)]
