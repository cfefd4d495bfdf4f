"""What a backup has to do: which files changed, which objects to read back, when to try again (OB-751 to 756)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from veritape.kernel.clock import NANOSECONDS
from veritape.observer.manifests import FileEntry, Manifest, digest
from veritape.observer.recorder import KST_NS

MINUTE_NS: Final = 60 * NANOSECONDS
"""Nanoseconds in a minute."""

DAY_NS: Final = 24 * 60 * MINUTE_NS
"""Nanoseconds in a day."""

RETRY_MINUTES: Final = (5, 15, 60)
"""Minutes after the first, the second and every later failure (OB-751)."""

LEAVINGS_DAYS: Final = 7
"""Days after which an object that no manifest lists is cleaned (OB-754): longer than any backup takes."""

VERIFY: Final = r"all|sample:[1-9][0-9]{0,5}"
"""Values of ``backup.verify``."""


class LocalFile(NamedTuple):
    """A file of the data folder that belongs to a day."""

    path: str
    """Relative to the data folder."""
    size: int
    """Bytes."""
    changed_ns: int
    """Its modification time, the machine's wall clock."""


def unchanged(file: LocalFile, known: Manifest | None) -> FileEntry | None:
    """Return what a manifest says of a file that was not touched since; None when it must be hashed."""
    if known is None or file.changed_ns >= known.created_ns:
        return None
    entries = {entry.path: entry for entry in known.files}
    entry = entries.get(file.path)
    return entry if entry is not None and entry.bytes == file.size else None


def merged(entries: Iterable[FileEntry], known: Manifest | None) -> tuple[FileEntry, ...]:
    """Return a day's files by path: those that are here, and those that the retention has deleted since they were backed up."""
    found = {entry.path: entry for entry in (known.files if known else ())}
    found |= {entry.path: entry for entry in entries}
    return tuple(found[path] for path in sorted(found))


def to_read_back(new: Sequence[str], verify: str, salt: str) -> list[str]:
    """Return the objects that are read back after they were sent (OB-756).

    Args:
        new: hashes of what was sent.
        verify: ``all`` or ``sample:N``.
        salt: makes each backup draw another sample: the manifest's name.
    """
    if not re.fullmatch(VERIFY, verify):
        raise ValueError(f"verify {verify!r} is neither all nor sample:N")
    if verify == "all":
        return list(new)
    drawn = sorted(new, key=lambda one: digest(f"{salt}:{one}".encode()))
    return drawn[: int(verify.partition(":")[2])]


def unlisted(stored: Mapping[str, int], listed: Iterable[str], now_ns: int) -> list[str]:
    """Return the objects that no manifest lists and that are older than any running backup (OB-754).

    Args:
        stored: name at the target -> when it was written.
        listed: names that some manifest needs.
        now_ns: wall clock.
    """
    needed = set(listed)
    return sorted(
        name
        for name, modified_ns in stored.items()
        if name not in needed and now_ns - modified_ns > LEAVINGS_DAYS * DAY_NS
    )


@dataclass(frozen=True)
class Schedule:
    """When the backup and the drill run by themselves."""

    at_minute: int
    """Minute of the day in Seoul at which the backup runs."""
    drill_days: int
    """Days between two drills."""

    def backup_due_ns(self, done_ns: int, failures: int, failed_ns: int) -> int:
        """Return when the next backup runs: once a day until it succeeded, then on the next day (OB-751).

        Args:
            done_ns: wall clock of the last success, 0 before the first.
            failures: attempts that failed since.
            failed_ns: wall clock of the last of them.
        """
        if failures:
            return failed_ns + RETRY_MINUTES[min(failures, len(RETRY_MINUTES)) - 1] * MINUTE_NS
        at_ns = self.at_minute * MINUTE_NS
        day = (done_ns + KST_NS - at_ns) // DAY_NS + 1
        return day * DAY_NS + at_ns - KST_NS

    def drill_due_ns(self, done_ns: int) -> int:
        """Return when the next drill is due, of the last one's wall clock."""
        return done_ns + self.drill_days * DAY_NS


def minute_of(clock: str) -> int:
    """Return the minute of the day of an HH:MM."""
    return int(clock[:2]) * 60 + int(clock[3:])
