"""Keys and accounts in SQLite, and the pepper beside them (GW-403 to 405).

One file in the gateway's data directory. Commands and the running gateway open it together; what a command changes the
gateway sees at its next look-up.
"""

import hmac
import os
import secrets
import sqlite3
import stat
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from veritape.gateway.keys import (
    KEYS_LIMIT,
    OVERLAP_LIMIT_S,
    PEPPER_BYTES,
    Environment,
    KeyRecord,
    KeyState,
    key_digest,
    key_id,
    make_key,
    pepper_id,
    shown_prefix,
)
from veritape.gateway.quota import MICROSECONDS
from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.kernel.files import write_atomically
from veritape.telemetry.audit_log import AuditKind

LAYOUT: Final = 1
"""Version of the tables, SQLite's ``user_version``."""

PRIVATE_MODE: Final = 0o600
"""Permission bits of a secret."""

_RANDOM_BYTES: Final = 96
"""Random bytes for one key: 34 usable ones are in them for certain enough."""

_TABLES: Final = """
CREATE TABLE account(id TEXT PRIMARY KEY, tier TEXT NOT NULL, suspended INTEGER NOT NULL, created_us INTEGER NOT NULL) STRICT;
CREATE TABLE api_key(
  id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES account(id), env TEXT NOT NULL, digest BLOB NOT NULL UNIQUE,
  pepper_id TEXT NOT NULL, shown TEXT NOT NULL, scopes TEXT NOT NULL, label TEXT NOT NULL, cidrs TEXT NOT NULL,
  created_us INTEGER NOT NULL, not_before_us INTEGER NOT NULL, expires_us INTEGER NOT NULL, revoked_us INTEGER NOT NULL,
  revoke_reason TEXT NOT NULL, replaced_by TEXT NOT NULL, last_used_us INTEGER NOT NULL) STRICT;
CREATE INDEX api_key_account ON api_key(account);
CREATE TRIGGER revoked_is_final BEFORE UPDATE OF revoked_us ON api_key WHEN OLD.revoked_us != 0
  BEGIN SELECT RAISE(ABORT, 'a revoked key stays revoked'); END;
"""

_COLUMNS: Final = (
    "k.id, k.account, a.tier, a.suspended, k.env, k.shown, k.scopes, k.label, k.cidrs, k.created_us, k.not_before_us,"
    " k.expires_us, k.revoked_us, k.replaced_by, k.last_used_us, k.digest"
)
_FROM: Final = "FROM api_key k JOIN account a ON a.id = k.account"


Noted: TypeAlias = Callable[[AuditKind, KeyRecord, str], object]
"""Told of a change: what, the key after it, and the reason that was given."""


class Grant(NamedTuple):
    """What a new key may do."""

    environment: Environment
    scopes: tuple[str, ...]
    label: str = ""
    cidrs: tuple[str, ...] = ()
    expires_us: int = 0
    """0 is never."""


def load_pepper(data_folder: Path, configured: Path | None) -> bytes:
    """Return the pepper: the configured file's bytes, or one made once in the data directory.

    Raises:
        MisuseError: ``pepper_missing``, ``pepper_short`` or ``pepper_mode``.
    """
    path = configured or data_folder / "pepper"
    if configured is None and not path.exists():
        write_atomically(path, secrets.token_bytes(PEPPER_BYTES), PRIVATE_MODE)
    try:
        mode, pepper = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise MisuseError(f"pepper_missing: keys.pepper_file: {path}: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise MisuseError(f"pepper_mode: keys.pepper_file: {path} is readable by others: chmod 600 it")
    if len(pepper) < PEPPER_BYTES:
        raise MisuseError(
            f"pepper_short: keys.pepper_file: {path} has {len(pepper)} bytes, {PEPPER_BYTES} are needed"
        )
    return pepper


class KeyStore:
    """Accounts and their keys."""

    def __init__(self, path: Path, pepper: bytes, noted: Noted = lambda *_: None) -> None:
        """Open or create the file.

        Args:
            path: the database.
            pepper: secret of the digests.
            noted: told of each change before it is kept; what it raises undoes the change (TL-660).

        Raises:
            UnavailableError: the file cannot be opened or is of a newer version.
        """
        self._pepper, self._pepper_id = pepper, pepper_id(pepper)
        self._noted = noted
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_MODE))
            self._connection = sqlite3.connect(
                path, isolation_level=None, timeout=5.0, check_same_thread=False
            )
            self._prepare(path)
        except (OSError, sqlite3.Error) as error:
            raise UnavailableError(f"cannot open the key store {path}: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def find(self, key: str) -> KeyRecord | None:
        """Return the record of a well-formed key, None when it is unknown.

        Raises:
            UnavailableError: the key store does not answer.
        """
        digest = key_digest(self._pepper, key)
        try:
            row = self._connection.execute(
                f"SELECT {_COLUMNS} {_FROM} WHERE k.digest = ?", (digest,)
            ).fetchone()
        except sqlite3.Error as error:
            raise UnavailableError(f"the key store does not answer: {error}") from error
        stored = row[-1] if row else bytes(len(digest))
        return _record(row) if hmac.compare_digest(stored, digest) and row else None

    def create(self, account: str, tier: str | None, grant: Grant, wall_us: int) -> tuple[str, KeyRecord]:
        """Make a key, and its account if it is new; the key itself is returned this once.

        Raises:
            MisuseError: a new account without a tier, another tier than the account has, or too many active keys.
        """
        with self._transaction():
            row = self._connection.execute("SELECT tier FROM account WHERE id = ?", (account,)).fetchone()
            if row is None and tier is None:
                raise MisuseError(f"account {account!r} is new: give --tier")
            if row is None:
                self._connection.execute("INSERT INTO account VALUES (?, ?, 0, ?)", (account, tier, wall_us))
            elif tier is not None and row[0] != tier:
                raise MisuseError(f"account {account!r} has tier {row[0]!r}: leave --tier out")
            active = sum(one.state(wall_us) is KeyState.ACTIVE for one in self.list(account))
            if active >= KEYS_LIMIT:
                raise MisuseError(
                    f"account {account!r} has {active} active keys, the most there can be: revoke one"
                )
            key, record = self._insert(account, grant, wall_us)
            self._noted(AuditKind.KEY_CREATED, record, "")
            return key, record

    def list(self, account: str | None = None) -> list[KeyRecord]:
        """Return the keys of an account, or all, oldest first."""
        where, values = ("WHERE k.account = ?", (account,)) if account else ("", ())
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} {_FROM} {where} ORDER BY k.created_us, k.id", values
        )
        return [_record(row) for row in rows]

    def get(self, identifier: str) -> KeyRecord:
        """Return a key by its id.

        Raises:
            MisuseError: there is none.
        """
        row = self._connection.execute(f"SELECT {_COLUMNS} {_FROM} WHERE k.id = ?", (identifier,)).fetchone()
        if row is None:
            raise MisuseError(f"no key has the id {identifier!r}: see 'veritape keys list --all'")
        return _record(row)

    def rotate(self, identifier: str, overlap_s: int, wall_us: int) -> tuple[str, KeyRecord]:
        """Make a new key with the same rights; the old one serves for the overlap.

        Raises:
            MisuseError: no such key, one that does not serve, or an overlap above 30 days.
        """
        if not 0 <= overlap_s <= OVERLAP_LIMIT_S:
            raise MisuseError("--overlap: from 0 to 30 days")
        with self._transaction():
            old = self.get(identifier)
            if old.state(wall_us) is not KeyState.ACTIVE:
                raise MisuseError(f"key {identifier!r} is {old.state(wall_us)}: create a new one")
            cidrs = tuple(str(network) for network in old.cidrs)
            grant = Grant(old.environment, old.scopes, old.label, cidrs, old.expires_us)
            key, record = self._insert(old.account, grant, wall_us)
            end_us = wall_us + overlap_s * MICROSECONDS
            self._connection.execute(
                "UPDATE api_key SET expires_us = ?, replaced_by = ? WHERE id = ?",
                (min(end_us, old.expires_us or end_us), record.id, identifier),
            )
            self._noted(AuditKind.KEY_ROTATED, self.get(identifier), "")
            return key, record

    def revoke(self, identifier: str, reason: str, wall_us: int) -> KeyRecord:
        """Revoke a key for ever; one that is revoked stays as it is."""
        with self._transaction():
            if not self.get(identifier).revoked_us:
                self._connection.execute(
                    "UPDATE api_key SET revoked_us = ?, revoke_reason = ? WHERE id = ?",
                    (wall_us, reason, identifier),
                )
                self._noted(AuditKind.KEY_REVOKED, self.get(identifier), reason)
            return self.get(identifier)

    def note_use(self, used: Sequence[tuple[str, int]]) -> None:
        """Write when keys were last used, as (id, wall clock); a file that is busy is left for the next time."""
        with self._transaction():
            self._connection.executemany(
                "UPDATE api_key SET last_used_us = max(last_used_us, ?) WHERE id = ?",
                [(wall_us, identifier) for identifier, wall_us in used],
            )

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._connection)

    def _prepare(self, path: Path) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        with self._transaction():
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if version > LAYOUT:
                raise UnavailableError(
                    f"{path} is of version {version}, this program reads {LAYOUT}: update it"
                )
            if version == 0:
                for statement in _TABLES.replace("BEGIN SELECT", "BEGIN\nSELECT").split(";\n"):
                    if statement.strip():
                        self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {LAYOUT}")

    def _insert(self, account: str, grant: Grant, wall_us: int) -> tuple[str, KeyRecord]:
        key = make_key(grant.environment, secrets.token_bytes(_RANDOM_BYTES))
        identifier = key_id(secrets.token_bytes(10))
        self._connection.execute(
            "INSERT INTO api_key VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', '', 0)",
            (
                identifier, account, grant.environment, key_digest(self._pepper, key), self._pepper_id, shown_prefix(key),
                " ".join(grant.scopes), grant.label, " ".join(grant.cidrs), wall_us, wall_us, grant.expires_us,
            ),
        )  # fmt: skip
        return key, self.get(identifier)


class _Transaction:
    """One transaction that takes the write lock at its beginning."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *rest: object) -> None:
        self._connection.execute("ROLLBACK" if kind else "COMMIT")


def _record(row: tuple[Any, ...]) -> KeyRecord:
    """Turn a row of ``_COLUMNS`` into a record: both name the same fields in the same order."""
    fields = KeyRecord(*row)
    return fields._replace(
        suspended=bool(fields.suspended),
        environment=Environment(fields.environment),
        scopes=tuple(row[6].split()),
        cidrs=tuple(ip_network(text) for text in row[8].split()),
    )
