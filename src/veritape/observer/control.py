"""What ``control.db`` holds, as tables (OB-561): an index of the recording that is looked up, never a source of trades.

Everything here is derived: seals and sweeps have their files, anchors, gaps, observations and the wanted list their notes
in the journal, backups their manifests at the target. So a lost file is rebuilt, and nothing may be stored here alone.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

SCHEMA: Final = 1
"""Version of the tables, SQLite's ``user_version``; a higher one was written by a later veritape."""

FILE_NAME: Final = "control.db"
"""Its name in the data directory."""


class ControlReason(StrEnum):
    """Why a control.db is not used."""

    CORRUPT = "corrupt"
    """Not a database, or its pages contradict each other."""
    NEWER_SCHEMA = "newer_schema"
    """Written by a later version."""


class Table(NamedTuple):
    """One table."""

    name: str
    """Name in the database."""
    key: tuple[str, ...]
    """Columns whose values name a row; writing a row of the same key replaces it."""
    columns: tuple[str, ...]
    """Every column as ``name TYPE``, in order."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the columns' names."""
        return tuple(column.split()[0] for column in self.columns)

    @property
    def definition(self) -> str:
        """Return the statement that creates the table; types are enforced."""
        columns = ", ".join((*self.columns, f"PRIMARY KEY ({', '.join(self.key)})"))
        return f"CREATE TABLE {self.name} ({columns}) STRICT, WITHOUT ROWID"


SLOTS: Final = Table(
    "slots",
    ("code",),
    ("code TEXT NOT NULL", "day TEXT NOT NULL", "state TEXT NOT NULL", "changed_ns INTEGER NOT NULL"),
)
"""State of every code that holds or held a registration on the newest day; ``changed_ns`` is wall clock."""

WANTED: Final = Table(
    "wanted",
    ("day", "priority"),
    ("day TEXT NOT NULL", "priority INTEGER NOT NULL", "code TEXT NOT NULL", "pinned INTEGER NOT NULL"),
)
"""Codes that should hold a slot, 0 first; the last list of a day is what the next day begins with (OB-351, OB-391)."""

GAPS: Final = Table(
    "gaps",
    ("id",),
    (
        "id TEXT NOT NULL", "venue TEXT NOT NULL", "day TEXT NOT NULL", "code TEXT", "parent TEXT", "scope TEXT NOT NULL",
        "cause TEXT NOT NULL", "state TEXT NOT NULL", "severity TEXT NOT NULL", "opened_ns INTEGER NOT NULL",
        "closed_ns INTEGER", "document TEXT NOT NULL",
    ),
)  # fmt: skip
"""One row a gap (OB-672), ``document`` its canonical JSON; ``code`` is null for a connection, process or sweep."""

ANCHORS: Final = Table(
    "anchors",
    ("venue", "day", "code"),
    (
        "venue TEXT NOT NULL", "day TEXT NOT NULL", "code TEXT NOT NULL", "chain_shares INTEGER NOT NULL",
        "chain_value INTEGER NOT NULL", "taken_ns INTEGER NOT NULL", "agreed INTEGER NOT NULL",
    ),
)  # fmt: skip
"""The end of each line (OB-611): shares, won, wall clock of the answer, 1 when two sweeps in a row agreed."""

CYCLES: Final = Table(
    "cycles",
    ("venue", "day", "kind", "cycle", "grid_ns"),
    (
        "venue TEXT NOT NULL", "day TEXT NOT NULL", "kind TEXT NOT NULL", "cycle INTEGER NOT NULL", "grid_ns INTEGER NOT NULL",
        "started_ns INTEGER NOT NULL", "ended_ns INTEGER NOT NULL", "expected INTEGER NOT NULL",
        "received INTEGER NOT NULL", "calls INTEGER NOT NULL", "parquet_blake3 TEXT NOT NULL",
    ),
)  # fmt: skip
"""Every sweep (OB-208); what it missed stands in its manifest."""

SEALS: Final = Table(
    "seals",
    ("venue", "day", "hour", "part"),
    (
        "venue TEXT NOT NULL", "day TEXT NOT NULL", "hour INTEGER NOT NULL", "part INTEGER NOT NULL", "path TEXT NOT NULL",
        "rows INTEGER NOT NULL", "bytes INTEGER NOT NULL", "blake3 TEXT NOT NULL", "seal_blake3 TEXT NOT NULL",
    ),
)  # fmt: skip
"""Every sealed segment (OB-555); ``path`` is relative to the data directory, ``seal_blake3`` that of the seal document."""

EXPORTS: Final = Table(
    "exports",
    ("path",),
    (
        "path TEXT NOT NULL", "kind TEXT NOT NULL", "day TEXT NOT NULL", "lines INTEGER NOT NULL", "bytes INTEGER NOT NULL",
        "blake3 TEXT NOT NULL", "written_ns INTEGER NOT NULL",
    ),
)  # fmt: skip
"""Files in ``export/`` (OB-721), path relative to the data directory."""

BACKUPS: Final = Table(
    "backups",
    ("target", "manifest"),
    (
        "target TEXT NOT NULL", "manifest TEXT NOT NULL", "day TEXT NOT NULL", "created_ns INTEGER NOT NULL",
        "files INTEGER NOT NULL", "bytes INTEGER NOT NULL", "blake3 TEXT NOT NULL", "verified INTEGER NOT NULL",
    ),
)  # fmt: skip
"""Manifests written (OB-754): ``target`` is the URL without credentials, ``verified`` 1 when every object was read back."""

OBSERVATIONS: Final = Table(
    "observations",
    ("name", "day"),
    ("name TEXT NOT NULL", "day TEXT NOT NULL", "value TEXT NOT NULL", "observed_ns INTEGER NOT NULL"),
)
"""Numbers measured on the account and not documented by the vendor, the last of each day (OB-007)."""

OVERFLOW: Final = Table(
    "overflow",
    ("day", "number"),
    (
        "day TEXT NOT NULL", "number INTEGER NOT NULL", "at_ns INTEGER NOT NULL", "code TEXT NOT NULL", "trigger TEXT NOT NULL",
        "score_micro INTEGER NOT NULL", "weakest_code TEXT", "weakest_score_micro INTEGER", "reason TEXT NOT NULL",
        "sweep_shares INTEGER", "until_ns INTEGER", "shares INTEGER", "value_krw INTEGER",
    ),
)  # fmt: skip
"""Candidates that were turned away (OB-348); the last three columns are filled at the day's end."""

CHECKPOINT: Final = Table(
    "checkpoint",
    ("venue", "day"),
    (
        "venue TEXT NOT NULL", "day TEXT NOT NULL", "file TEXT NOT NULL", "block INTEGER NOT NULL", "state BLOB NOT NULL",
        "taken_ns INTEGER NOT NULL",
    ),
)  # fmt: skip
"""The ledger as it was after a block of the journal (OB-509): recovery reads on from there."""

TABLES: Final = (
    SLOTS, WANTED, GAPS, ANCHORS, CYCLES, SEALS, EXPORTS, BACKUPS, OBSERVATIONS, OVERFLOW, CHECKPOINT,
)  # fmt: skip
"""Every table."""

BY_NAME: Final = MappingProxyType({table.name: table for table in TABLES})
"""Name -> table."""
