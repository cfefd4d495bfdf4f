"""Tables of the key store in SQLite, and how an older file becomes a present one (GW-404, GW-941).

Triggers write the change log: whatever changes what a key or an account may do is seen by every gateway, whoever wrote it.
"""

import sqlite3
from typing import Final

from veritape.kernel.errors import UnavailableError

_LAYOUTS: Final = (
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

LAYOUT: Final = len(_LAYOUTS)
"""Version of the tables, SQLite's ``user_version``."""


def prepare(connection: sqlite3.Connection, name: str) -> None:
    """Bring a file to the present version; concurrent starts wait for each other.

    Raises:
        UnavailableError: the file is of a newer program.
    """
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    with Transaction(connection):
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > LAYOUT:
            raise UnavailableError(f"{name} is of version {version}, this program reads {LAYOUT}: update it")
        for statements in _LAYOUTS[version:]:
            for statement in statements:
                connection.execute(statement)
        if version < LAYOUT:
            connection.execute(f"PRAGMA user_version = {LAYOUT}")


class Transaction:
    """One transaction that takes the write lock at its beginning."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *rest: object) -> None:
        self._connection.execute("ROLLBACK" if kind else "COMMIT")
