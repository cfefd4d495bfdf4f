"""What is known of accounts and their keys, whichever database has them (GW-403, GW-404)."""

import builtins
import hmac
from collections.abc import Sequence
from concurrent.futures import Executor
from ipaddress import ip_network
from typing import Any, Final, NamedTuple

from veritape.gateway.accounts import Account
from veritape.gateway.adapters.key_database import KeyDatabase
from veritape.gateway.keys import Environment, KeyRecord, key_digest, pepper_id
from veritape.gateway.limits_reader import read_own_limits
from veritape.gateway.quota import Limits
from veritape.kernel.errors import MisuseError

_COLUMNS: Final = (
    "k.id, k.account, a.tier, a.suspended, k.env, k.shown, k.scopes, k.label, k.cidrs, k.created_us, k.not_before_us,"
    " k.expires_us, k.revoked_us, k.replaced_by, k.last_used_us, k.digest, a.limits"
)
_FROM: Final = "FROM api_key k JOIN account a ON a.id = k.account"


class Changes(NamedTuple):
    """What happened in the key store since a change."""

    number: int
    """Of the last change."""
    accounts: frozenset[str]
    """Whose keys, tier or limits changed; an empty text stands for tokens and peppers."""


class KeyReader:
    """Looks up accounts and keys. Every method raises UnavailableError when the database does not answer."""

    def __init__(self, database: KeyDatabase, *peppers: bytes) -> None:
        """Read a database.

        Args:
            database: has the rows.
            peppers: secrets of the digests, the present one first.
        """
        self._database = database
        self.peppers = peppers
        """Secrets of the digests that are valid, the present one first."""

    @property
    def thread(self) -> Executor | None:
        """Return where to wait for the database; None where it answers at once."""
        return self._database.thread

    def close(self) -> None:
        """Let the database go."""
        self._database.close()

    def find(self, key: str) -> KeyRecord | None:
        """Return the record of a well-formed key, None when it is unknown."""
        return self.look_up([key_digest(pepper, key) for pepper in self.peppers])

    def look_up(self, digests: Sequence[bytes]) -> KeyRecord | None:
        """Return the key with one of these digests, in one query whether it is known or not (GW-907).

        Args:
            digests: HMAC of the key under each pepper that is valid.
        """
        places = ", ".join("?" * len(digests))
        row = self._row(f"SELECT {_COLUMNS} {_FROM} WHERE k.digest IN ({places})", *digests)
        stored = row[15] if row else bytes(len(digests[0]))
        equal = [hmac.compare_digest(stored, digest) for digest in digests]
        return _record(row) if row and any(equal) else None

    def find_account(self, identifier: str) -> Account | None:
        """Return an account, None when it is unknown."""
        row = self._row("SELECT id, tier, suspended, limits, revision FROM account WHERE id = ?", identifier)
        return Account(row[0], row[1], bool(row[2]), _own_limits(row[3]), row[4]) if row else None

    def changes_since(self, number: int) -> Changes:
        """Return which accounts changed after a change, and the number of the last one."""
        rows = self._database.rows(
            "SELECT number, account FROM change WHERE number > ? ORDER BY number", number
        )
        return Changes(rows[-1][0] if rows else number, frozenset(account for _, account in rows))

    def revoked_tokens(self, wall_us: int) -> frozenset[tuple[str, str]]:
        """Return (issuer, jti) of the tokens that were revoked and could still be valid."""
        rows = self._database.rows("SELECT issuer, jti FROM revoked_token WHERE until_us > ?", wall_us)
        return frozenset((issuer, jti) for issuer, jti in rows)

    def account_row(self, identifier: str) -> tuple[Account, str] | None:
        """Return an account and its own limits as JSON, None when it is unknown."""
        row = self._row("SELECT limits FROM account WHERE id = ?", identifier)
        found = self.find_account(identifier)
        return (found, row[0]) if row and found else None

    def list_accounts(self, after: str, count: int) -> builtins.list[tuple[Account, str]]:
        """Return accounts whose ids follow one, in order, each with its own limits as JSON."""
        rows = self._database.rows(
            "SELECT id, tier, suspended, limits, revision FROM account WHERE id > ? ORDER BY id LIMIT ?",
            after,
            count,
        )
        return [(Account(row[0], row[1], bool(row[2]), _own_limits(row[3]), row[4]), row[3]) for row in rows]

    def list(self, account: str | None = None) -> list[KeyRecord]:
        """Return the keys of an account, or all, oldest first."""
        where, values = ("WHERE k.account = ?", (account,)) if account else ("", ())
        rows = self._database.rows(f"SELECT {_COLUMNS} {_FROM} {where} ORDER BY k.created_us, k.id", *values)
        return [_record(row) for row in rows]

    def get(self, identifier: str) -> KeyRecord:
        """Return a key by its id.

        Raises:
            MisuseError: there is none.
        """
        row = self._row(f"SELECT {_COLUMNS} {_FROM} WHERE k.id = ?", identifier)
        if row is None:
            raise MisuseError(f"no key has the id {identifier!r}: see 'veritape keys list --all'")
        return _record(row)

    def count_under(self, pepper: bytes, wall_us: int) -> int:
        """Return how many keys that serve, or will, have a digest under a pepper."""
        rows = self._database.rows(
            "SELECT count(*) FROM api_key WHERE pepper_id = ? AND revoked_us = 0 AND (expires_us = 0 OR expires_us > ?)",
            pepper_id(pepper),
            wall_us,
        )
        count: int = rows[0][0]
        return count

    def _row(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        rows = self._database.rows(statement, *values)
        return rows[0] if rows else None


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
