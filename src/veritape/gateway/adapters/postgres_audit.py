"""The audit log as a table of PostgreSQL, beside the keys that it tells of: the lines of the file, the same chain (GW-704).

A record is the line that would stand in the file, in bytes, since its hash covers them. Whoever appends holds one lock until
its commit, so that every record follows the last one, whichever machine wrote that.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from veritape.gateway.adapters.postgres_session import (
    Connection,
    PostgresTables,
    open_session,
    take_turn,
)
from veritape.gateway.tables import Tables
from veritape.kernel.clock import Clock
from veritape.kernel.errors import CheckFailedError, UnavailableError
from veritape.telemetry.audit_log import START, Entry, Head, head_of, record_line, verify

LIMIT_S: Final = 5.0
"""Seconds that a record or a page may take: less than the change that waits for it."""

PAGE: Final = 1_000
"""Records that are read at a time."""

_TURN: Final = 0x76742D61
"""Advisory lock of who appends."""

_STEPS: Final = (
    (
        "CREATE TABLE audit_record(seq BIGINT PRIMARY KEY, line BYTEA NOT NULL)",
        """CREATE FUNCTION audit_record_kept() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$""",
        """CREATE TRIGGER audit_record_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_record
  FOR EACH STATEMENT EXECUTE FUNCTION audit_record_kept()""",
    ),
)
"""What each version of the table adds to the one before."""

TABLES: Final = PostgresTables(
    Tables("the audit log", "audit_version", _STEPS), "keys", "audit_layout", _TURN
)
"""The records."""


class PostgresAudit:
    """Appends records, each durable before the call returns, and reads them."""

    def __init__(self, url: str, password_file: Path | None, clock: Clock) -> None:
        """Name the database; it is connected to when it is needed.

        Args:
            url: ``postgresql://user@host:port/database``.
            password_file: its first line is the password.
            clock: dates the records.

        Raises:
            MisuseError: the password cannot be read, or the address is none.
        """
        self._session = open_session(url, password_file, TABLES)
        self._clock = clock

    def append(self, *entries: Entry) -> Head:
        """Append records and make them durable; do what they tell of only afterwards.

        Raises:
            UnavailableError: the log cannot be written, or its last record is damaged: what was to be done is refused.
        """
        try:
            with self._session.asking("the audit log cannot be written", LIMIT_S) as connection:
                return self._append(connection, entries)
        except CheckFailedError as error:
            raise UnavailableError(
                f"the audit log cannot be written: its last record: {error.message}"
            ) from error

    def lines(self, after: int = 0) -> Iterator[bytes]:
        """Yield the lines of the records that follow one, oldest first.

        Raises:
            UnavailableError: the log cannot be read.
        """
        query = "SELECT seq, line FROM audit_record WHERE seq > %s ORDER BY seq LIMIT %s"
        while True:
            with self._session.asking("the audit log cannot be read", LIMIT_S) as connection:
                rows = connection.execute(query, (after, PAGE)).fetchall()
            yield from (bytes(line) for _, line in rows)
            if len(rows) < PAGE:
                return
            after = rows[-1][0]

    def verify(self) -> Head:
        """Check the chain from its first record; return where it stands.

        Raises:
            CheckFailedError: a record does not follow; the message names it.
            UnavailableError: the log cannot be read.
        """
        try:
            return verify(self.lines())
        except CheckFailedError as error:
            raise CheckFailedError(f"table audit_record: {error.message}") from error

    def close(self) -> None:
        """Let the connection go."""
        self._session.close()

    def _append(self, connection: Connection, entries: tuple[Entry, ...]) -> Head:
        with connection.transaction():
            take_turn(connection, _TURN)
            last = connection.execute("SELECT line FROM audit_record ORDER BY seq DESC LIMIT 1").fetchall()
            head = head_of(bytes(last[0][0])) if last else START
            now_ns = self._clock.wall_ns()
            for entry in entries:
                line, head = record_line(head, entry, now_ns)
                connection.execute("INSERT INTO audit_record VALUES (%s, %s)", (head.seq, line))
            return head
