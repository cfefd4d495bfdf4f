"""Keys and accounts in SQLite (GW-403 to 405).

One file in the gateway's data directory. Commands and the running gateways open it together; what a command changes the
gateways see in its change log.
"""

import builtins
import contextlib
import hmac
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from veritape.gateway.accounts import Account
from veritape.gateway.adapters.key_tables import Transaction, prepare
from veritape.gateway.adapters.peppers import PRIVATE_MODE
from veritape.gateway.keys import (
    KEYS_LIMIT,
    OVERLAP_LIMIT_S,
    Environment,
    KeyRecord,
    KeyState,
    key_digest,
    key_id,
    make_key,
    pepper_id,
    shown_prefix,
)
from veritape.gateway.limits_reader import read_own_limits
from veritape.gateway.quota import MICROSECONDS, Limits
from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.telemetry.audit_log import AuditKind

_RANDOM_BYTES: Final = 96
"""Random bytes for one key: 34 usable ones are in them for certain enough."""

_COLUMNS: Final = (
    "k.id, k.account, a.tier, a.suspended, k.env, k.shown, k.scopes, k.label, k.cidrs, k.created_us, k.not_before_us,"
    " k.expires_us, k.revoked_us, k.replaced_by, k.last_used_us, k.digest, a.limits"
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
    not_before_us: int = 0
    """0 is at once."""


class Changes(NamedTuple):
    """What happened in the key store since a change."""

    number: int
    """Of the last change."""
    accounts: frozenset[str]
    """Whose keys, tier or limits changed; an empty text stands for tokens and peppers."""


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
        self.peppers: tuple[bytes, ...] = (pepper,)
        """Secrets of the digests that are valid, the present one first."""
        self._noted = noted
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            if (
                not path.exists()
            ):  # closing a second descriptor would drop this process's locks of an open file
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_MODE))
            self._connection = sqlite3.connect(
                path, isolation_level=None, timeout=5.0, check_same_thread=False
            )
            prepare(self._connection, str(path))
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
        return self.look_up([key_digest(pepper, key) for pepper in self.peppers])

    def look_up(self, digests: Sequence[bytes]) -> KeyRecord | None:
        """Return the key with one of these digests, in one query whether it is known or not (GW-907).

        Args:
            digests: HMAC of the key under each pepper that is valid.

        Raises:
            UnavailableError: the key store does not answer.
        """
        places = ", ".join("?" * len(digests))
        row = self._row(f"SELECT {_COLUMNS} {_FROM} WHERE k.digest IN ({places})", *digests)
        stored = row[15] if row else bytes(len(digests[0]))
        equal = [hmac.compare_digest(stored, digest) for digest in digests]
        return _record(row) if row and any(equal) else None

    def find_account(self, identifier: str) -> Account | None:
        """Return an account, None when it is unknown.

        Raises:
            UnavailableError: the key store does not answer.
        """
        row = self._row("SELECT id, tier, suspended, limits, revision FROM account WHERE id = ?", identifier)
        return Account(row[0], row[1], bool(row[2]), _own_limits(row[3]), row[4]) if row else None

    def changes_since(self, number: int) -> Changes:
        """Return which accounts changed after a change, and the number of the last one.

        Raises:
            UnavailableError: the key store does not answer.
        """
        rows = self._rows("SELECT number, account FROM change WHERE number > ? ORDER BY number", number)
        return Changes(rows[-1][0] if rows else number, frozenset(account for _, account in rows))

    def revoked_tokens(self, wall_us: int) -> frozenset[tuple[str, str]]:
        """Return (issuer, jti) of the tokens that were revoked and could still be valid.

        Raises:
            UnavailableError: the key store does not answer.
        """
        rows = self._rows("SELECT issuer, jti FROM revoked_token WHERE until_us > ?", wall_us)
        return frozenset((issuer, jti) for issuer, jti in rows)

    def revoke_token(self, issuer: str, jti: str, until_us: int, wall_us: int) -> None:
        """Revoke a token by its ``jti``; revocations that no token can outlive are forgotten."""
        with self._transaction():
            self._connection.execute("DELETE FROM revoked_token WHERE until_us <= ?", (wall_us,))
            self._connection.execute(
                "INSERT OR REPLACE INTO revoked_token VALUES (?, ?, ?)", (issuer, jti, until_us)
            )

    @contextlib.contextmanager
    def noting(self, noted: Noted) -> Iterator[None]:
        """Tell somebody else of the changes that are made in the context."""
        before, self._noted = self._noted, noted
        try:
            yield
        finally:
            self._noted = before

    def account_row(self, identifier: str) -> tuple[Account, str] | None:
        """Return an account and its own limits as JSON, None when it is unknown."""
        row = self._row("SELECT limits FROM account WHERE id = ?", identifier)
        found = self.find_account(identifier)
        return (found, row[0]) if row and found else None

    def list_accounts(self, after: str, count: int) -> builtins.list[tuple[Account, str]]:
        """Return accounts whose ids follow one, in order, each with its own limits as JSON."""
        rows = self._rows(
            "SELECT id, tier, suspended, limits, revision FROM account WHERE id > ? ORDER BY id LIMIT ?",
            after,
            count,
        )
        return [(Account(row[0], row[1], bool(row[2]), _own_limits(row[3]), row[4]), row[3]) for row in rows]

    def add_account(
        self, account: str, tier: str, limits_text: str, wall_us: int, noted: Callable[[], object]
    ) -> None:
        """Make an account without keys.

        Args:
            account: its id.
            tier: its tier.
            limits_text: its own limits as JSON; ``{}`` for none.
            wall_us: now.
            noted: called before the change is kept; what it raises undoes the change.

        Raises:
            MisuseError: the limits are wrong, or there is such an account.
        """
        read_own_limits(limits_text)
        with self._transaction():
            cursor = self._connection.execute(
                "INSERT INTO account(id, tier, suspended, created_us, limits) VALUES (?, ?, 0, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (account, tier, wall_us, limits_text),
            )
            if cursor.rowcount != 1:
                raise MisuseError(f"account {account!r} is there already")
            noted()

    def change_account(
        self, changed: Account, limits_text: str, noted: Callable[[], object] = lambda: None
    ) -> Account:
        """Write tier, suspension and own limits of an account, if its revision is still the one that was read.

        Args:
            changed: what is to hold, with the revision that it was made from.
            limits_text: its own limits as JSON; ``{}`` for none.
            noted: called before the change is kept; what it raises undoes the change.

        Raises:
            MisuseError: the limits are wrong, there is no such account, or it was changed in between.
        """
        read_own_limits(limits_text)
        with self._transaction():
            cursor = self._connection.execute(
                "UPDATE account SET tier = ?, suspended = ?, limits = ?, revision = revision + 1"
                " WHERE id = ? AND revision = ?",
                (changed.tier, int(changed.suspended), limits_text, changed.id, changed.revision),
            )
            if cursor.rowcount != 1:
                raise MisuseError(
                    f"account {changed.id!r} is unknown or was changed in between: read it again"
                )
            noted()
        found = self.find_account(changed.id)
        return found or changed

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
                self._connection.execute(
                    "INSERT INTO account(id, tier, suspended, created_us) VALUES (?, ?, 0, ?)",
                    (account, tier, wall_us),
                )
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

    def count_under(self, pepper: bytes, wall_us: int) -> int:
        """Return how many keys that serve, or will, have a digest under a pepper."""
        rows = self._rows(
            "SELECT count(*) FROM api_key WHERE pepper_id = ? AND revoked_us = 0 AND (expires_us = 0 OR expires_us > ?)",
            pepper_id(pepper),
            wall_us,
        )
        count: int = rows[0][0]
        return count

    def move_keys(self, digests: Mapping[str, bytes]) -> None:
        """Write digests under the present pepper of keys that were found under the one before.

        Raises:
            UnavailableError: the key store does not answer.
        """
        rows = [(digest, pepper_id(self.peppers[0]), identifier) for identifier, digest in digests.items()]
        try:
            with self._transaction():
                self._connection.executemany(
                    "UPDATE api_key SET digest = ?, pepper_id = ? WHERE id = ?", rows
                )
        except sqlite3.Error as error:
            raise UnavailableError(f"the key store does not answer: {error}") from error

    def tell_peppers(self) -> None:
        """Have every gateway read the peppers anew."""
        with self._transaction():
            self._connection.execute("INSERT INTO change(account) VALUES ('')")

    def note_use(self, used: Sequence[tuple[str, int]]) -> None:
        """Write when keys were last used, as (id, wall clock); a file that is busy is left for the next time."""
        with self._transaction():
            self._connection.executemany(
                "UPDATE api_key SET last_used_us = max(last_used_us, ?) WHERE id = ?",
                [(wall_us, identifier) for identifier, wall_us in used],
            )

    def _row(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        rows = self._rows(statement, *values)
        return rows[0] if rows else None

    def _rows(self, statement: str, *values: object) -> builtins.list[tuple[Any, ...]]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise UnavailableError(f"the key store does not answer: {error}") from error

    def _transaction(self) -> Transaction:
        return Transaction(self._connection)

    def _insert(self, account: str, grant: Grant, wall_us: int) -> tuple[str, KeyRecord]:
        key = make_key(grant.environment, secrets.token_bytes(_RANDOM_BYTES))
        identifier = key_id(secrets.token_bytes(10))
        self._connection.execute(
            "INSERT INTO api_key VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', '', 0)",
            (
                identifier, account, grant.environment, key_digest(self.peppers[0], key), pepper_id(self.peppers[0]), shown_prefix(key),
                " ".join(grant.scopes), grant.label, " ".join(grant.cidrs), wall_us, grant.not_before_us or wall_us, grant.expires_us,
            ),
        )  # fmt: skip
        return key, self.get(identifier)


def _record(row: tuple[Any, ...]) -> KeyRecord:
    """Turn a row of ``_COLUMNS`` into a record: both name the same fields in the same order."""
    fields = KeyRecord(*row)
    return fields._replace(
        suspended=bool(fields.suspended),
        environment=Environment(fields.environment),
        scopes=tuple(row[6].split()),
        cidrs=tuple(ip_network(text) for text in row[8].split()),
        own_limits=_own_limits(row[16]),
    )


def _own_limits(text: str) -> Limits:
    """Read an account's own limits; most have none."""
    return Limits() if text == "{}" else read_own_limits(text)
