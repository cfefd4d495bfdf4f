"""What may be deleted here: only what is proven to be elsewhere (OB-731 to 733).

A file goes when it is old enough, or the disk is full, *and* its content is named by a manifest whose object was read back
and hashed at the target, *and*, for a journal file, every trade of its day lies in a sealed segment. Age and a full disk
never override the rest: what is not backed up stays, and an alert says so.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import NamedTuple

WARN_PERCENT, FULL_PERCENT, ENOUGH_PERCENT = 80, 90, 70
"""Used part of the disk at which it is told, at which the oldest files go, and down to which they do (OB-732)."""


class FileKind(StrEnum):
    """Kinds of file that the retention may delete; segments, seals, sweeps, backfill and universe are kept."""

    JOURNAL = "journal"
    """A sealed journal file."""
    EXPORT = "export"
    """A window file: swing, scalp, system."""


class Kept(StrEnum):
    """Why a file stays."""

    YOUNG = "young"
    """It is not old enough."""
    NOT_BACKED_UP = "not_backed_up"
    """No manifest names its content, or its object was not read back at the target."""
    NOT_SEALED = "not_sealed"
    """Trades of its day are in no sealed segment yet."""


class Rules(NamedTuple):
    """The settings ``[retention]``."""

    raw_days: int = 3
    """Days for which journal and exports stay."""
    anomaly_days: int = 7
    """The same for a day on which something went wrong."""
    alert_days: int = 10
    """Days after which a file that is not backed up is an alert."""


class Candidate(NamedTuple):
    """A file that might be deleted."""

    path: str
    """Relative to the data folder."""
    kind: FileKind
    """What it is."""
    day: str
    """Business date that it belongs to."""
    size: int
    """Bytes."""
    manifest: str | None
    """Manifest that names its path, its size and an object that was read back; None without one."""
    blake3: str
    """What that manifest says its content is; empty without one."""


class DayFacts(NamedTuple):
    """What is known of a day."""

    sealed: bool
    """Whether every trade of its journal lies in a sealed segment."""
    anomalous: bool
    """Whether something went wrong on it (OB-676)."""


class Disk(NamedTuple):
    """The file system that holds the data."""

    used_bytes: int
    """What is taken."""
    size_bytes: int
    """What there is."""

    @property
    def percent(self) -> float:
        """Return the used part."""
        return 100 * self.used_bytes / self.size_bytes


class Plan(NamedTuple):
    """What the retention does."""

    delete: tuple[Candidate, ...]
    """In this order."""
    kept: dict[str, Kept]
    """Path -> why it stays."""
    blocked: tuple[str, ...]
    """Paths that should long be gone and are not backed up (OB-731)."""
    disk_warning: bool
    """Whether the disk is fuller than it should be."""


def plan(
    candidates: Sequence[Candidate], days: Mapping[str, DayFacts], rules: Rules, today: str, disk: Disk
) -> Plan:
    """Decide what goes, a day's files of a kind together or none of them; a day without facts counts as not sealed."""
    groups: dict[tuple[str, FileKind], list[Candidate]] = {}
    for one in candidates:
        groups.setdefault((one.day, one.kind), []).append(one)
    delete: list[Candidate] = []
    spare: list[list[Candidate]] = []
    kept: dict[str, Kept] = {}
    for day, kind in sorted(groups):
        group = sorted(groups[day, kind])
        facts = days.get(day, DayFacts(sealed=False, anomalous=True))
        obstacle = _obstacle(group, facts)
        young = _age(day, today) < (rules.anomaly_days if facts.anomalous else rules.raw_days)
        if obstacle is not None or young:
            kept |= dict.fromkeys((one.path for one in group), obstacle or Kept.YOUNG)
        else:
            delete += group
        if obstacle is None and young:
            spare.append(group)
    pressed = _pressed(spare, disk, sum(one.size for one in delete))
    kept = {path: why for path, why in kept.items() if path not in {one.path for one in pressed}}
    blocked = tuple(
        one.path
        for one in candidates
        if kept.get(one.path) is Kept.NOT_BACKED_UP and _age(one.day, today) >= rules.alert_days
    )
    return Plan((*delete, *pressed), kept, blocked, disk.percent >= WARN_PERCENT)


def may_go(one: Candidate, rules: Rules, today: str, disk: Disk) -> bool:
    """Tell whether the facts of a file's day decide about it: otherwise nobody need find them out."""
    old = _age(one.day, today) >= min(rules.raw_days, rules.anomaly_days)
    return one.manifest is not None and (old or disk.percent >= FULL_PERCENT)


def _obstacle(group: Sequence[Candidate], facts: DayFacts) -> Kept | None:
    if any(one.manifest is None for one in group):
        return Kept.NOT_BACKED_UP
    return None if facts.sealed or group[0].kind is FileKind.EXPORT else Kept.NOT_SEALED


def _pressed(spare: Sequence[Sequence[Candidate]], disk: Disk, freed: int) -> list[Candidate]:
    """Return the oldest allowed files that bring a full disk down to what is enough."""
    if 100 * (disk.used_bytes - freed) < FULL_PERCENT * disk.size_bytes:
        return []
    found: list[Candidate] = []
    for group in spare:
        if 100 * (disk.used_bytes - freed) <= ENOUGH_PERCENT * disk.size_bytes:
            break
        freed += sum(one.size for one in group)
        found += group
    return found


def _age(day: str, today: str) -> int:
    return (_date(today) - _date(day)).days


def _date(day: str) -> date:
    return date(int(day[:4]), int(day[4:6]), int(day[6:]))
