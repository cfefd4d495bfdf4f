"""The key store's tables in SQLite: one file in the data directory, which commands and gateways open together (GW-404, GW-941).

Triggers write the change log: whatever changes what a key or an account may do is seen by every gateway, whoever wrote it.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from veritape.gateway.adapters.key_database import is_storable
from veritape.gateway.adapters.peppers import PRIVATE_MODE
from veritape.gateway.tables import Tables
from veritape.kernel.errors import MisuseError, UnavailableError

FILE: Final = "keys.db"
"""The file's name in the gateway's data directory."""

_STEPS: Final = (
    (
        """CREATE TABLE account(
             id TEXT PRIMARY KEY, tier TEXT NOT NULL, suspended INTEGER NOT NULL, created_us INTEGER NOT NULL) STRICT""",
        """CREATE TABLE api_key(
             id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES account(id), env TEXT NOT NULL,
             digest BLOB NOT NULL UNIQUE, pepper_id TEXT NOT NULL, shown TEXT NOT NULL, scopes TEXT NOT NULL,
             label TEXT NOT NULL, cidrs TEXT NOT NULL, created_us INTEGER NOT NULL, not_before_us INTEGER NOT NULL,
             expires_us INTEGER NOT NULL, revoked_us INTEGER NOT NULL, revoke_reason TEXT NOT NULL,
             replaced_by TEXT NOT NULL, last_used_us INTEGER NOT NULL) STRICT""",
        "CREATE INDEX api_key_account ON api_key(account)",
        """CREATE TRIGGER revoked_is_final BEFORE UPDATE OF revoked_us ON api_key WHEN OLD.revoked_us != 0
             BEGIN SELECT RAISE(ABORT, 'a revoked key stays revoked'); END""",
    ),
    (
        "ALTER TABLE account ADD COLUMN limits TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE account ADD COLUMN revision INTEGER NOT NULL DEFAULT 1",
        "CREATE TABLE change(number INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL) STRICT",
        """CREATE TABLE revoked_token(
             issuer TEXT NOT NULL, jti TEXT NOT NULL, until_us INTEGER NOT NULL, PRIMARY KEY (issuer, jti)) STRICT""",
        """CREATE TRIGGER key_made AFTER INSERT ON api_key
             BEGIN INSERT INTO change(account) VALUES (NEW.account); END""",
        """CREATE TRIGGER key_changed
             AFTER UPDATE OF scopes, cidrs, not_before_us, expires_us, revoked_us ON api_key
             BEGIN INSERT INTO change(account) VALUES (NEW.account); END""",
        """CREATE TRIGGER account_made AFTER INSERT ON account
             BEGIN INSERT INTO change(account) VALUES (NEW.id); END""",
        """CREATE TRIGGER account_changed AFTER UPDATE OF tier, suspended, limits ON account
             BEGIN INSERT INTO change(account) VALUES (NEW.id); END""",
        """CREATE TRIGGER token_revoked AFTER INSERT ON revoked_token
             BEGIN INSERT INTO change(account) VALUES (''); END""",
    ),
)
"""What each version of the tables adds to the one before."""

TABLES: Final = Tables("the key store", "keys_version", _STEPS)
"""Accounts, keys, revoked tokens and the log of their changes; SQLite's ``user_version`` is their version."""


class SqliteKeys:
    """A connection to the file."""

    thread: Final = None
    """A file answers at once."""

    def __init__(self, path: Path) -> None:
        """Open or create the file.

        Raises:
            UnavailableError: the file cannot be opened or is of a newer version.
        """
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            if (
                not path.exists()
            ):  # closing a second descriptor would drop this process's locks of an open file
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_MODE))
            self._connection = sqlite3.connect(
                path, isolation_level=None, timeout=5.0, check_same_thread=False
            )
            self._prepare(path)
        except (OSError, sqlite3.Error) as error:
            raise UnavailableError(f"cannot open the key store {path}: {error}") from error

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        if not all(map(is_storable, values)):
            return []
        with self._failing():
            return self._connection.execute(statement, values).fetchall()

    def change(self, statement: str, *values: object) -> int:
        """Change rows; return how many.

        Raises:
            MisuseError: a text cannot be stored.
        """
        if not all(map(is_storable, values)):
            raise MisuseError("a text with a NUL or half a character pair cannot be stored")
        with self._failing():
            return self._connection.execute(statement, values).rowcount

    def change_all(self, statement: str, values: Sequence[tuple[object, ...]]) -> None:
        """Change rows once for each tuple of values."""
        with self._failing():
            self._connection.executemany(statement, values)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Take the write lock at the beginning; keep everything or nothing."""
        with self._failing():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise UnavailableError(f"the key store does not answer: {error}") from error

    def _prepare(self, path: Path) -> None:
        """Bring a file to the present version; concurrent starts wait for each other."""
        run = self._connection.execute
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            run(f"PRAGMA {pragma}")
        with self.transaction():
            reached = run("PRAGMA user_version").fetchone()[0]
            for version, statements in TABLES.missing(reached, path):
                for statement in statements:
                    run(statement)
                run(f"PRAGMA user_version = {version}")
