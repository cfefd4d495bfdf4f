"""The usage ledger in SQLite: append-only, idempotent, durable (GW-651, GW-652, GW-685).

One process writes and holds a lock beside the file; others read. A group of events, the sums of their months and the marks
of their boots are one transaction, so that a group that is written again changes nothing.
"""

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from veritape.gateway.adapters.ledger_rows import insert_all, insert_new
from veritape.gateway.adapters.usage_reader import COUNT_SINGLE
from veritape.gateway.adapters.usage_tables import Steps, missing_steps, no_ledger
from veritape.gateway.billing import AccountUsage
from veritape.gateway.memory_store import Charge
from veritape.gateway.quota import MICROSECONDS
from veritape.gateway.reconciliation import Share
from veritape.gateway.retention import unwritten
from veritape.gateway.usage import UsageEvent, alike, marks_of, months_of
from veritape.kernel.errors import UnavailableError

FILE: Final = "usage.db"
"""The ledger's name in the gateway's data directory."""

JOURNAL_BYTES: Final = 64 << 20
"""Length to which the write-ahead log is cut after a large transaction: deleting a month makes it as long as the month."""

_MONTH: Final = """INSERT INTO usage_month VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
  SET units_mu = units_mu + excluded.units_mu, events = events + excluded.events"""
_MARK: Final = """INSERT INTO outbox_mark VALUES (?, ?, 0) ON CONFLICT DO UPDATE
  SET seq = max(seq, excluded.seq)"""
_SHARES: Final = """SELECT subject, lower(hex(boot)), ifnull(closed, 0), units_mu
  FROM usage_month LEFT JOIN outbox_mark USING (boot) WHERE period = ?"""
_RETIRE: Final = """INSERT INTO usage_retired SELECT period, subject, sum(units_mu) FROM usage_event
  WHERE period = ? GROUP BY subject"""
_KEEP: Final = f"INSERT INTO usage_kept VALUES ({', '.join('?' * 9)})"  # noqa: S608 - constants
_CLOSE: Final = "INSERT INTO outbox_mark VALUES (?, 0, 1) ON CONFLICT DO UPDATE SET closed = 1"


class SqliteReader:
    """Reads the ledger while another process writes it."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()

    def month_sums(self, period: str) -> dict[str, int]:
        """Return subject -> mu used in a month, at least 0."""
        with self._reading() as reader:
            rows = reader.execute(
                "SELECT subject, sum(units_mu) FROM usage_month WHERE period = ? GROUP BY subject", (period,)
            )
            return {subject: max(0, units_mu) for subject, units_mu in rows}

    def charges_since(self, since_us: int) -> dict[str, list[Charge]]:
        """Return subject -> units charged in each second since a moment."""
        found: dict[str, list[Charge]] = {}
        with self._reading() as reader:
            rows = reader.execute(
                "SELECT subject, at_us / ? AS second, sum(units_mu) FROM usage_event"
                " WHERE at_us >= ? AND kind = 'charge' GROUP BY subject, second",
                (MICROSECONDS, since_us),
            )
            for subject, second, units_mu in rows:
                found.setdefault(subject, []).append(Charge(second * MICROSECONDS, units_mu))
        return found

    def shares(self, period: str, subject: str | None = None) -> dict[Share, int]:
        """Return the mu of every boot, of one subject or of all, as they are at one moment."""
        one, names = ("", ()) if subject is None else (" AND subject = ?", (subject,))
        with self._reading() as reader:
            rows = reader.execute(_SHARES + one, (period, *names))
            return {Share(found, boot, bool(closed)): units_mu for found, boot, closed, units_mu in rows}

    def broken_sums(self, period: str) -> Mapping[str, tuple[int, int]]:
        """Return subject -> (mu of its months, mu of its events) where the two differ."""
        with self._reading() as reader:
            rows = reader.execute(
                "SELECT subject, sum(of_month), sum(of_events) FROM ("
                "SELECT subject, units_mu AS of_month, 0 AS of_events FROM usage_month WHERE period = ?1"
                " UNION ALL SELECT subject, 0, units_mu FROM usage_event WHERE period = ?1 AND subject <> ''"
                " UNION ALL SELECT subject, 0, units_mu FROM usage_retired WHERE period = ?1 AND subject <> '')"
                " GROUP BY subject HAVING sum(of_month) <> sum(of_events)",
                (period,),
            )
            return {subject: (of_month, of_events) for subject, of_month, of_events in rows}

    def close(self) -> None:
        """Nothing is kept open between two reads."""

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            uri = f"{self._path.as_uri()}?mode=ro"
            with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=5.0)) as reader:
                missing_steps(reader, self._path)
                yield reader
        except sqlite3.Error as error:
            if not self._path.exists():
                raise no_ledger(self._path) from error
            raise UnavailableError(f"the usage ledger {self._path} cannot be read: {error}") from error


class Ledger(SqliteReader):
    """The one writer of a ledger; it holds the file's lock while it lives."""

    def __init__(self, path: Path) -> None:
        """Open or create the ledger and take its lock.

        Raises:
            UnavailableError: ``ledger_locked``, ``ledger_version``, or the file cannot be opened.
        """
        super().__init__(path)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _take_lock(path)
        try:
            self._connection = _open(path)
        except BaseException:
            os.close(self._lock)
            raise
        self._turn = threading.Lock()

    def write(self, events: Sequence[UsageEvent]) -> int:
        """Write events, their months and marks in one durable transaction; return how many were new.

        Raises:
            UnavailableError: nothing of it was written.
        """
        with self._turn, self._failing():
            return write_events(self._connection, events)

    def rows(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return the rows of a query that PostgreSQL understands too."""
        with self._reading() as reader:
            return reader.execute(query, values).fetchall()

    def retire(self, period: str, kept: Sequence[AccountUsage]) -> int:
        """Delete the events of a month, in one transaction with what stays of them; return how many.

        Raises:
            UnavailableError: nothing of it was done.
        """
        with self._turn, self._failing():
            return _retire(self._connection, period, kept)

    def close_boot(self, boot: bytes) -> None:
        """Note that a boot writes no more."""
        with self._turn, self._failing():
            self._connection.execute(_CLOSE, (boot,))

    def close(self) -> None:
        """Let the file go, after whoever is writing."""
        with self._turn:
            self._connection.close()
            os.close(self._lock)

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise UnavailableError(f"the usage ledger {self._path} cannot be written: {error}") from error


def write_events(connection: sqlite3.Connection, events: Sequence[UsageEvent]) -> int:
    """Write events in one durable transaction; an event that is there already changes nothing; return how many were new."""
    with contextlib.suppress(_KnownError):
        return _write(connection, events, all_new=True)
    return _write(connection, events, all_new=False)


def _write(connection: sqlite3.Connection, events: Sequence[UsageEvent], *, all_new: bool) -> int:
    """Write events in one transaction.

    Raises:
        _KnownError: they were said to be all new and are not; nothing was written.
    """
    with _transaction(connection):
        retired = {row[0] for row in connection.execute("SELECT DISTINCT period FROM usage_retired")}
        fresh = unwritten(events, retired, partial(_mark_of, connection))
        together = alike(fresh if all_new else insert_new(connection, fresh))
        if all_new and not insert_all(connection, together):
            raise _KnownError
        connection.executemany(_MONTH, months_of(together))
        connection.executemany(_MARK, marks_of(events))
    return sum(map(len, together))


class _KnownError(Exception):
    """Some events were in the ledger already: the transaction begins again, with a look at each of them."""


def _mark_of(connection: sqlite3.Connection, boot: bytes) -> int:
    row = connection.execute("SELECT seq FROM outbox_mark WHERE boot = ?", (boot,)).fetchone()
    return row[0] if row else 0


def _retire(connection: sqlite3.Connection, period: str, kept: Sequence[AccountUsage]) -> int:
    with _transaction(connection):
        counted = connection.execute(COUNT_SINGLE, (period,)).fetchone()[0]
        known = connection.execute(
            "SELECT 1 FROM usage_retired WHERE period = ? LIMIT 1", (period,)
        ).fetchone()
        if known or counted != sum(one.events for one in kept):
            return 0
        connection.execute(_RETIRE, (period,))
        connection.executemany(_KEEP, [(period, *one) for one in kept])
        return connection.execute("DELETE FROM usage_event WHERE period = ?", (period,)).rowcount


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _take_lock(path: Path) -> int:
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise UnavailableError(f"ledger_locked: another gateway writes {path}") from error
    return lock


def _open(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, isolation_level=None, timeout=5.0, check_same_thread=False)
        try:
            missing = missing_steps(connection, path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}")
            _migrate(connection, missing)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise UnavailableError(f"cannot open the usage ledger {path}: {error}") from error
    path.chmod(0o600)
    return connection


def _migrate(connection: sqlite3.Connection, missing: Steps) -> None:
    """Bring the tables to the present version, each step in one transaction."""
    for number, statements in missing:
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
