"""What of a data folder belongs to a day, and what its audit says: the near end of a backup (OB-751).

The list says what is taken; everything else stays, so a new file with a secret in it is never sent by accident.
"""

import sqlite3
import stat
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from veritape.kernel.errors import CheckFailedError, UnavailableError
from veritape.observer.adapters.backup.proofs import Proof, proof_of
from veritape.observer.adapters.binance.segment_files import segment_store
from veritape.observer.adapters.journal_files import is_open
from veritape.observer.adapters.seal_files import seal_hash, seal_path
from veritape.observer.adapters.segment_files import SegmentStore
from veritape.observer.backup import LocalFile
from veritape.observer.binance.statements import VENUE as BINANCE
from veritape.observer.binance.trade_ids import DAY_US, day_start_us, utc_day
from veritape.observer.manifests import (
    BackupReason,
    FileEntry,
    LineFigures,
    LogHead,
    Manifest,
    path_problem,
)
from veritape.telemetry.adapters.audit_files import verify_files

OF_A_DAY = (
    "journal/{venue}/{day}/*.vtj",
    "trades/venue={venue}/day={day}/*",
    "books/venue={venue}/day={day}/*",
    "sweeps/venue={venue}/day={day}/*",
    "backfill/*/venue={venue}/day={day}/*",
    "universe/{day}_*.json",
    "universe/refused/{day}-*.json",
    "export/*_{day}[._]*",
    "quarantine/frames-{day}.jsonl",
)
"""Patterns of a day's files."""

DAY_FOLDERS = (
    "journal/{venue}/????????",
    "trades/venue={venue}/day=????????",
    "sweeps/venue={venue}/day=????????",
)
"""Folders whose names end with a day."""

CONTROL, CALENDAR = "control.db", "calendar.toml"
"""Paths of the control state and of the calendar's overrides in a manifest."""

SCRATCH = "backup/scratch"
"""Folder of the copies that are made to be sent."""


@dataclass(frozen=True)
class Source:
    """One venue's data folder."""

    data: Path
    """Data directory."""
    venue: str = "KRX"
    """Whose recording."""
    calendar: Path | None = None
    """The calendar's override file, wherever it lies."""

    def days(self) -> list[str]:
        """Return every day that left a file here."""
        folders = (
            folder for pattern in DAY_FOLDERS for folder in self.data.glob(pattern.format(venue=self.venue))
        )
        return sorted({folder.name[-8:] for folder in folders})

    def over_days(self) -> list[str]:
        """Return the days that are over: those with an audit report, and all before the newest."""
        days = self.days()
        return [
            day for day in days if day != days[-1] or (self.data / "export" / f"audit_{day}.json").exists()
        ]

    def files(self, day: str) -> list[LocalFile]:
        """Return a day's files, sealed journal files among them, by path.

        The seal before the day's first one is among them: with it the chain of seals can be checked from the day alone.

        Raises:
            CheckFailedError: ``bad_path``: a link, or a name that no manifest can hold.
        """
        patterns = [pattern.format(venue=self.venue, day=day) for pattern in OF_A_DAY]
        patterns += [f"journal/{self.venue}/{near}/*.vtj" for near in self._neighbours(day)]
        paths = [
            path
            for pattern in patterns
            for path in self.data.glob(pattern)
            if not path.name.startswith(".") and not is_open(path)
        ]
        return sorted(self._file(path) for path in {*paths, *self._seals_before(day)})

    def entry(self, file: LocalFile) -> FileEntry:
        """Return a file's entry in the manifest."""
        return self.entry_of(file.path, self.data / file.path)

    @staticmethod
    def entry_of(name: str, path: Path) -> FileEntry:
        """Return the entry of a file that lies under another name.

        Raises:
            UnavailableError: it went away since it was listed.
        """
        hasher = blake3(max_threads=blake3.AUTO)
        try:
            hasher.update_mmap(path)
        except FileNotFoundError as error:
            raise UnavailableError(f"backup: {path} went away meanwhile: run it again") from error
        return FileEntry(path=name, bytes=path.stat().st_size, blake3=hasher.hexdigest())

    def copies(self) -> dict[str, Path]:
        """Make the copies that a manifest holds beside the day's files: control state and calendar; path -> copy."""
        made: dict[str, Path] = {}
        control = self.data / CONTROL
        if control.exists():
            made[CONTROL] = self.data / SCRATCH / CONTROL
            made[CONTROL].parent.mkdir(parents=True, exist_ok=True)
            made[CONTROL].unlink(missing_ok=True)
            with (
                closing(sqlite3.connect(f"file:{control}?mode=ro", uri=True)) as live,
                closing(sqlite3.connect(made[CONTROL])) as copy,
            ):
                live.backup(copy)
        if self.calendar is not None and self.calendar.exists():
            made[CALENDAR] = self.calendar
        return made

    def has_journal(self, day: str, known: Manifest | None = None) -> bool:
        """Tell whether a day's journal is here, and all of it that a manifest names."""
        if not any((self.data / "journal" / self.venue / day).glob("*.vtj")):
            return False
        named = (entry.path for entry in (known.files if known else ()) if entry.path.startswith("journal/"))
        return all((self.data / path).exists() for path in named)

    def proof(self, day: str) -> Proof:
        """Return what a day's files prove, its journal read again."""
        return proof_of(self.data, self.venue, day)

    def figures(self, day: str, known: Manifest | None = None) -> dict[str, LineFigures]:
        """Return what the audit of a day says: recomputed, or what was said when the journal was still here."""
        if self.has_journal(day, known):
            return self.proof(day).lines()
        return known.lines if known else {}

    def last_seal(self, day: str) -> str:
        """Return the hash of a day's last seal document, empty without one."""
        store = self.segments()
        seals = store.seals(day)
        return seal_hash(seals[-1].path) if seals else ""

    def log_head(self) -> LogHead | None:
        """Return where the data folder's audit log stands; None without one, or when its chain is broken."""
        try:
            head = verify_files(self.data)
        except CheckFailedError:
            return None
        return LogHead(seq=head.seq, hash=head.digest.hex()) if head.seq else None

    def segments(self) -> SegmentStore:
        """Return the day's segments."""
        return segment_store(self.data, self.venue)

    def _neighbours(self, day: str) -> tuple[str, ...]:
        """Return the days whose journal holds a part of this one: the venue's clock is not ours."""
        if self.venue != BINANCE:
            return ()
        start_us = day_start_us(day)
        return utc_day(start_us - DAY_US), utc_day(start_us + DAY_US)

    def _seals_before(self, day: str) -> list[Path]:
        store = self.segments()
        seals = store.seals()
        named = {seal.document["previous"] for seal in seals if seal.key[0] == day}
        return [
            seal_path(seal.path) for seal in seals if seal.key[0] != day and seal_hash(seal.path) in named
        ]

    def _file(self, path: Path) -> LocalFile:
        name = path.relative_to(self.data).as_posix()
        status = path.lstat()
        problem = path_problem(name) if stat.S_ISREG(status.st_mode) else "must be a file and no link"
        if problem is not None:
            raise CheckFailedError(
                f"{path}: {problem}: move it out of the data folder", BackupReason.BAD_PATH
            )
        return LocalFile(name, status.st_size, status.st_mtime_ns)
