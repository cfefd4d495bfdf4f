"""The usage ledger in PostgreSQL 14 or newer: for gateways on several machines (GW-652, GW-685).

A group is copied into a table of the session, then inserted from there: one statement tells what is new and adds it to the
months. ``usage_event`` has a partition a month, so its primary key has the month too; an event never changes its month, so
its id is as unique as before.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from psycopg import sql

from veritape.gateway.adapters.postgres_session import (
    Connection,
    PostgresTables,
    open_session,
    take_turn,
    translated,
)
from veritape.gateway.adapters.usage_reader import COUNT_SINGLE
from veritape.gateway.billing import AccountUsage
from veritape.gateway.memory_store import Charge
from veritape.gateway.quota import MICROSECONDS
from veritape.gateway.reconciliation import Share
from veritape.gateway.retention import unwritten
from veritape.gateway.tables import Tables
from veritape.gateway.usage import UsageEvent, marks_of
from veritape.kernel.errors import UnavailableError

LIMIT_S: Final = 30.0
"""Seconds that a group or a reading may take; a server that hangs is given up then."""

_WRITING: Final = "the usage ledger cannot be written"

_READING: Final = "the usage ledger cannot be read"

_TURN: Final = 0x76742D75
"""Advisory lock of who changes tables or adds a partition."""

_COLUMNS: Final = """boot BYTEA NOT NULL, seq BIGINT NOT NULL, kind TEXT NOT NULL, account TEXT NOT NULL, env TEXT NOT NULL,
  key_id TEXT NOT NULL, subject TEXT NOT NULL, route TEXT NOT NULL, units_mu BIGINT NOT NULL, decision TEXT NOT NULL,
  reason TEXT NOT NULL, mode TEXT NOT NULL, policy_version BIGINT NOT NULL, period TEXT NOT NULL, at_us BIGINT NOT NULL,
  request_id TEXT NOT NULL, refers_boot BYTEA, refers_seq BIGINT, items BIGINT NOT NULL"""

_STEPS: Final = (
    (
        f"CREATE TABLE usage_event({_COLUMNS}, PRIMARY KEY(boot, seq, period)) PARTITION BY LIST (period)",
        """CREATE TABLE usage_month(subject TEXT, period TEXT, boot BYTEA, units_mu BIGINT NOT NULL, events BIGINT NOT NULL,
  PRIMARY KEY(period, subject, boot))""",
        "CREATE TABLE outbox_mark(boot BYTEA PRIMARY KEY, seq BIGINT NOT NULL, closed INTEGER NOT NULL)",
        "CREATE INDEX usage_event_at ON usage_event(at_us)",
        """CREATE UNIQUE INDEX refund_once ON usage_event(refers_boot, refers_seq, period)
  WHERE kind = 'refund'""",
        """CREATE FUNCTION usage_event_kept() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN RAISE EXCEPTION 'the usage ledger is append-only'; END $$""",
        """CREATE TRIGGER usage_event_kept BEFORE UPDATE OR DELETE ON usage_event
  FOR EACH ROW EXECUTE FUNCTION usage_event_kept()""",
        """CREATE TRIGGER usage_event_not_emptied BEFORE TRUNCATE ON usage_event
  FOR EACH STATEMENT EXECUTE FUNCTION usage_event_kept()""",
    ),
    (
        "CREATE TABLE usage_retired(period TEXT, subject TEXT, units_mu BIGINT NOT NULL, PRIMARY KEY(period, subject))",
        """CREATE TABLE usage_kept(period TEXT, account TEXT, live_mu BIGINT NOT NULL, test_mu BIGINT NOT NULL,
  credit_mu BIGINT NOT NULL, first_event TEXT NOT NULL, last_event TEXT NOT NULL, events BIGINT NOT NULL, sha256 TEXT NOT NULL,
  PRIMARY KEY(period, account))""",
        *(
            f"""CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
  FOR EACH STATEMENT EXECUTE FUNCTION usage_event_kept()"""
            for table in ("usage_retired", "usage_kept")
        ),
    ),
)
"""Statements that lead from one version of the tables to the next; forward only."""

TABLES: Final = PostgresTables(
    Tables("the usage ledger", "ledger_version", _STEPS), "ledger", "usage_layout", _TURN
)
"""Events, months, marks, and what stays of retired months."""

_STAGE: Final = f"CREATE TEMPORARY TABLE usage_stage({_COLUMNS}) ON COMMIT DELETE ROWS"
_INSERT: Final = """WITH fresh AS (
    INSERT INTO usage_event SELECT * FROM usage_stage ORDER BY boot, seq ON CONFLICT DO NOTHING
    RETURNING subject, period, boot, units_mu
  ), added AS (
    INSERT INTO usage_month SELECT subject, period, boot, sum(units_mu), count(*) FROM fresh WHERE subject <> ''
    GROUP BY period, subject, boot ORDER BY period, subject, boot
    ON CONFLICT (period, subject, boot) DO UPDATE
    SET units_mu = usage_month.units_mu + excluded.units_mu, events = usage_month.events + excluded.events
  ) SELECT count(*) FROM fresh"""
_MARK: Final = """INSERT INTO outbox_mark VALUES (%s, %s, 0) ON CONFLICT (boot) DO UPDATE
  SET seq = greatest(outbox_mark.seq, excluded.seq)"""
_CLOSE: Final = "INSERT INTO outbox_mark VALUES (%s, 0, 1) ON CONFLICT (boot) DO UPDATE SET closed = 1"
_RETIRE: Final = """INSERT INTO usage_retired SELECT period, subject, sum(units_mu) FROM usage_event
  WHERE period = %s GROUP BY period, subject"""
_KEEP: Final = f"INSERT INTO usage_kept VALUES ({', '.join(['%s'] * 9)})"  # noqa: S608 - constants
_SHARES: Final = """SELECT subject, encode(boot, 'hex'), coalesce(closed, 0), units_mu
  FROM usage_month LEFT JOIN outbox_mark USING (boot) WHERE period = %s AND (%s::TEXT IS NULL OR subject = %s)"""
_BROKEN: Final = """SELECT subject, sum(of_month)::BIGINT, sum(of_events)::BIGINT FROM (
    SELECT subject, units_mu AS of_month, 0 AS of_events FROM usage_month WHERE period = %s
    UNION ALL SELECT subject, 0, units_mu FROM usage_event WHERE period = %s AND subject <> ''
    UNION ALL SELECT subject, 0, units_mu FROM usage_retired WHERE period = %s AND subject <> '') AS all_sums
  GROUP BY subject HAVING sum(of_month) <> sum(of_events)"""


class PostgresLedger:
    """A ledger that any number of gateways write."""

    def __init__(self, url: str, password_file: Path | None = None) -> None:
        """Name the database; it is connected to when it is needed.

        Args:
            url: ``postgresql://user@host:port/database``.
            password_file: its first line is the password.

        Raises:
            MisuseError: the password cannot be read, or the address is none.
        """
        self._session = open_session(
            url, password_file, TABLES, lambda connection: connection.execute(_STAGE)
        )
        self._periods: set[str] = set()

    def write(self, events: Sequence[UsageEvent]) -> int:
        """Write events, their months and marks in one durable transaction; return how many were new.

        Raises:
            UnavailableError: it is not known to be written; writing it again is safe.
        """
        try:
            return self._write(events)
        except UnavailableError:
            self._periods.clear()  # a partition may be gone: retention drops old ones
            raise

    def _write(self, events: Sequence[UsageEvent]) -> int:
        with self._session.asking(_WRITING, LIMIT_S) as connection:
            for period in sorted({event.period for event in events} - self._periods):
                _add_partition(connection, period)
                self._periods.add(period)
            with connection.transaction(), connection.cursor() as cursor:
                retired = {row[0] for row in cursor.execute("SELECT DISTINCT period FROM usage_retired")}
                new = unwritten(events, retired, partial(_mark_of, connection))
                with cursor.copy("COPY usage_stage FROM STDIN") as copy:
                    for event in new:
                        copy.write_row(event)
                fresh: int = cursor.execute(_INSERT).fetchall()[0][0]
                cursor.executemany(_MARK, marks_of(events))
            return fresh

    def retire(self, period: str, kept: Sequence[AccountUsage]) -> int:
        """Drop the partition of a month, in one transaction with what stays of it; return how many events it had.

        Raises:
            UnavailableError: nothing of it was done, or it is not known; doing it again is safe.
        """
        with self._session.asking(_WRITING, LIMIT_S) as connection, connection.transaction():
            take_turn(connection, _TURN)
            query = "SELECT 1 FROM usage_retired WHERE period = %s LIMIT 1"
            if connection.execute(query, (period,)).fetchall():
                return 0
            partition = sql.Identifier(_partition(period))
            connection.execute(sql.SQL("LOCK TABLE {} IN SHARE MODE").format(partition))
            (single,) = connection.execute(translated(COUNT_SINGLE), (period,)).fetchall()[0]
            if single != sum(one.events for one in kept):
                return 0
            count: int = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(partition)).fetchall()[
                0
            ][0]
            connection.execute(_RETIRE, (period,))
            connection.cursor().executemany(_KEEP.encode(), [(period, *one) for one in kept])
            connection.execute(sql.SQL("DROP TABLE {}").format(partition))
            self._periods.discard(period)
            return count

    def close_boot(self, boot: bytes) -> None:
        """Note that a boot writes no more."""
        with self._session.asking(_WRITING, LIMIT_S) as connection:
            connection.execute(_CLOSE, (boot,))

    def month_sums(self, period: str) -> dict[str, int]:
        """Return subject -> mu used in a month, at least 0."""
        rows = self._rows(
            "SELECT subject, sum(units_mu)::BIGINT FROM usage_month WHERE period = %s GROUP BY subject",
            period,
        )
        return {subject: max(0, units_mu) for subject, units_mu in rows}

    def charges_since(self, since_us: int) -> dict[str, list[Charge]]:
        """Return subject -> units charged in each second since a moment."""
        rows = self._rows(
            "SELECT subject, at_us / %s AS second, sum(units_mu)::BIGINT FROM usage_event"
            " WHERE at_us >= %s AND kind = 'charge' GROUP BY subject, second",
            MICROSECONDS,
            since_us,
        )
        found: dict[str, list[Charge]] = {}
        for subject, second, units_mu in rows:
            found.setdefault(subject, []).append(Charge(second * MICROSECONDS, units_mu))
        return found

    def shares(self, period: str, subject: str | None = None) -> dict[Share, int]:
        """Return the mu of every boot, of one subject or of all, as they are at one moment."""
        rows = self._rows(_SHARES, period, subject, subject)
        return {Share(found, boot, bool(closed)): units_mu for found, boot, closed, units_mu in rows}

    def broken_sums(self, period: str) -> Mapping[str, tuple[int, int]]:
        """Return subject -> (mu of its months, mu of its events) where the two differ."""
        return {subject: (months, events) for subject, months, events in self._rows(_BROKEN, *[period] * 3)}

    def close(self) -> None:
        """Let the connection go."""
        self._session.close()

    def rows(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """Return the rows of a query that SQLite understands too: ``?`` stands for a value."""
        return self._rows(query.replace("?", "%s"), *values)

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._session.asking(_READING, LIMIT_S) as connection:
            return connection.execute(query.encode(), values).fetchall()


def _mark_of(connection: Connection, boot: bytes) -> int:
    rows = connection.execute("SELECT seq FROM outbox_mark WHERE boot = %s", (boot,)).fetchall()
    return rows[0][0] if rows else 0


def _partition(period: str) -> str:
    return f"usage_event_{re.sub('[^0-9]', '_', period)}"


def _add_partition(connection: Connection, period: str) -> None:
    """Make the partition of a month unless it is there."""
    statement = sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF usage_event FOR VALUES IN ({})")
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_TURN,))
        connection.execute(statement.format(sql.Identifier(_partition(period)), sql.Literal(period)))
