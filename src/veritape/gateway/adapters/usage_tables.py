"""The tables of the usage ledger in SQLite (GW-652): for its writer, and for who only reads it."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

from veritape.gateway.tables import Tables
from veritape.kernel.errors import UnavailableError

Steps: TypeAlias = Sequence[tuple[int, tuple[str, ...]]]
"""Versions and what leads to them."""

_STEPS: Final = (
    (
        """CREATE TABLE usage_event(boot BLOB, seq INTEGER, kind TEXT, account TEXT, env TEXT, key_id TEXT, subject TEXT, route TEXT,
  units_mu INTEGER, decision TEXT, reason TEXT, mode TEXT, policy_version INTEGER, period TEXT, at_us INTEGER, request_id TEXT,
  refers_boot BLOB, refers_seq INTEGER, items INTEGER, PRIMARY KEY(boot, seq)) WITHOUT ROWID""",
        """CREATE TABLE usage_month(subject TEXT, period TEXT, boot BLOB, units_mu INTEGER, events INTEGER,
  PRIMARY KEY(subject, period, boot)) WITHOUT ROWID""",
        "CREATE TABLE outbox_mark(boot BLOB PRIMARY KEY, seq INTEGER, closed INTEGER) WITHOUT ROWID",
        "CREATE INDEX usage_event_at ON usage_event(at_us)",
        "CREATE UNIQUE INDEX refund_once ON usage_event(refers_boot, refers_seq) WHERE kind = 'refund'",
        """CREATE TRIGGER usage_event_kept BEFORE UPDATE ON usage_event
  BEGIN SELECT RAISE(ABORT, 'the usage ledger is append-only'); END""",
        """CREATE TRIGGER usage_event_not_deleted BEFORE DELETE ON usage_event
  BEGIN SELECT RAISE(ABORT, 'the usage ledger is append-only'); END""",
    ),
    (
        "CREATE TABLE usage_retired(period TEXT, subject TEXT, units_mu INTEGER, PRIMARY KEY(period, subject)) WITHOUT ROWID",
        """CREATE TABLE usage_kept(period TEXT, account TEXT, live_mu INTEGER, test_mu INTEGER, credit_mu INTEGER, first_event TEXT,
  last_event TEXT, events INTEGER, sha256 TEXT, PRIMARY KEY(period, account)) WITHOUT ROWID""",
        "DROP TRIGGER usage_event_not_deleted",
        """CREATE TRIGGER usage_event_not_deleted BEFORE DELETE ON usage_event
  WHEN NOT EXISTS (SELECT 1 FROM usage_retired WHERE period = OLD.period)
  BEGIN SELECT RAISE(ABORT, 'the usage ledger is append-only'); END""",
        *(
            f"""CREATE TRIGGER {table}_{action.lower()} BEFORE {action} ON {table}
  BEGIN SELECT RAISE(ABORT, 'what retention keeps stays'); END"""
            for table in ("usage_retired", "usage_kept")
            for action in ("UPDATE", "DELETE")
        ),
    ),
)
"""Statements that lead from one version of the tables to the next; forward only."""


TABLES: Final = Tables("the usage ledger", "ledger_version", _STEPS)
"""Events, months, marks, and what stays of retired months; SQLite's ``user_version`` is their version."""


def no_ledger(path: Path) -> UnavailableError:
    """Return what to say where there is no ledger to read."""
    return UnavailableError(
        f"no usage ledger {path}: name the gateway's settings with --config; veritape serve makes it"
    )


def missing_steps(connection: sqlite3.Connection, path: Path) -> Steps:
    """Return what a file's tables lack.

    Raises:
        UnavailableError: they are of a newer program.
        sqlite3.Error: the file cannot be read.
    """
    reached: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return TABLES.missing(reached, path)
