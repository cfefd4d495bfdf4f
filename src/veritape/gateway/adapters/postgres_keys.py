"""The key store's tables in PostgreSQL 14 or newer: one set of keys for gateways on several machines (GW-404, GW-418).

They are the tables of SQLite, change log and triggers included. Whatever writes the change log first takes one lock and
keeps it until it has committed: so changes are numbered in the order in which they can be seen, and a gateway that read up
to one number has missed nothing below it. It asks each second; nothing depends on a notice that a lost connection drops.
"""

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from veritape.gateway.adapters.key_database import is_storable
from veritape.gateway.adapters.postgres_session import (
    PostgresTables,
    open_session,
    take_turn,
    translated,
)
from veritape.gateway.tables import Tables
from veritape.kernel.errors import MisuseError

LOOK_UP_S: Final = 2.0
"""Seconds that a look-up may take: so long a request waits when the server hangs, before it is known to be gone."""

CHANGE_S: Final = 10.0
"""Seconds that a change may take, its record in the audit log included."""

_TURN: Final = 0x76742D6B
"""Advisory lock of who changes anything."""

_STEPS: Final = (
    (
        """CREATE TABLE account(
             id TEXT PRIMARY KEY, tier TEXT NOT NULL, suspended INTEGER NOT NULL, created_us BIGINT NOT NULL,
             limits TEXT NOT NULL DEFAULT '{}', revision BIGINT NOT NULL DEFAULT 1)""",
        """CREATE TABLE api_key(
             id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES account(id), env TEXT NOT NULL,
             digest BYTEA NOT NULL UNIQUE, pepper_id TEXT NOT NULL, shown TEXT NOT NULL, scopes TEXT NOT NULL,
             label TEXT NOT NULL, cidrs TEXT NOT NULL, created_us BIGINT NOT NULL, not_before_us BIGINT NOT NULL,
             expires_us BIGINT NOT NULL, revoked_us BIGINT NOT NULL, revoke_reason TEXT NOT NULL,
             replaced_by TEXT NOT NULL, last_used_us BIGINT NOT NULL)""",
        "CREATE INDEX api_key_account ON api_key(account)",
        "CREATE TABLE change(number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account TEXT NOT NULL)",
        """CREATE TABLE revoked_token(
             issuer TEXT NOT NULL, jti TEXT NOT NULL, until_us BIGINT NOT NULL, PRIMARY KEY (issuer, jti))""",
        """CREATE FUNCTION revoked_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN RAISE EXCEPTION 'a revoked key stays revoked'; END $$""",
        """CREATE TRIGGER revoked_is_final BEFORE UPDATE OF revoked_us ON api_key
             FOR EACH ROW WHEN (OLD.revoked_us <> 0) EXECUTE FUNCTION revoked_is_final()""",
        f"""CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             PERFORM pg_advisory_xact_lock({_TURN});
             INSERT INTO change(account) VALUES (coalesce(to_jsonb(NEW) ->> TG_ARGV[0], ''));
             RETURN NULL; END $$""",  # noqa: S608 - a constant
        """CREATE TRIGGER key_made AFTER INSERT ON api_key
             FOR EACH ROW EXECUTE FUNCTION note_change('account')""",
        """CREATE TRIGGER key_changed
             AFTER UPDATE OF scopes, cidrs, not_before_us, expires_us, revoked_us ON api_key
             FOR EACH ROW EXECUTE FUNCTION note_change('account')""",
        """CREATE TRIGGER account_made AFTER INSERT ON account
             FOR EACH ROW EXECUTE FUNCTION note_change('id')""",
        """CREATE TRIGGER account_changed AFTER UPDATE OF tier, suspended, limits ON account
             FOR EACH ROW EXECUTE FUNCTION note_change('id')""",
        """CREATE TRIGGER token_revoked AFTER INSERT ON revoked_token
             FOR EACH ROW EXECUTE FUNCTION note_change('')""",
    ),
)
"""What each version of the tables adds to the one before."""

TABLES: Final = PostgresTables(Tables("the key store", "keys_version", _STEPS), "keys", "key_layout", _TURN)
"""Accounts, keys, revoked tokens and the log of their changes."""

_FAILURE: Final = "the key store does not answer"


class PostgresKeys:
    """A connection to the database; safe for several threads, which wait for each other."""

    def __init__(self, url: str, password_file: Path | None = None) -> None:
        """Name the database; it is connected to when it is needed.

        Args:
            url: ``postgresql://user@host:port/database``.
            password_file: its first line is the password.

        Raises:
            MisuseError: the password cannot be read, or the address is none.
        """
        self.thread: Final = ThreadPoolExecutor(1, "keys")
        """As there is one connection, more threads would only wait for it."""
        self._session = open_session(url, password_file, TABLES)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        if not all(map(is_storable, values)):
            return []
        with self._session.asking(_FAILURE, LOOK_UP_S) as connection:
            return connection.execute(translated(statement), values).fetchall()

    def change(self, statement: str, *values: object) -> int:
        """Change rows; return how many.

        Raises:
            MisuseError: a text cannot be stored.
        """
        if not all(map(is_storable, values)):
            raise MisuseError("a text with a NUL or half a character pair cannot be stored")
        with self._session.asking(_FAILURE, CHANGE_S) as connection:
            return connection.execute(translated(statement), values).rowcount

    def change_all(self, statement: str, values: Sequence[tuple[object, ...]]) -> None:
        """Change rows once for each tuple of values."""
        with self._session.asking(_FAILURE, CHANGE_S) as connection, connection.cursor() as cursor:
            cursor.executemany(translated(statement), values)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Wait for other transactions, on whichever machine; keep everything or nothing."""
        with self._session.asking(_FAILURE, CHANGE_S) as connection, connection.transaction():
            take_turn(connection, _TURN)
            yield

    def close(self) -> None:
        """Let connection and thread go."""
        self.thread.shutdown(cancel_futures=True)
        self._session.close()
