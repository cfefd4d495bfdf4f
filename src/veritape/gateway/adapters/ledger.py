"""The usage ledger in SQLite: append-only, idempotent, durable before the answer (GW-651, GW-652, GW-661, GW-685).

One thread owns the connection. Whatever was handed in while the last transaction was being written goes into the next one
together, so the number of requests behind one ``fsync`` grows with the load and no timer delays a lone one.
"""

import asyncio
import contextlib
import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from veritape.gateway.memory_store import Charge
from veritape.gateway.quota import MICROSECONDS
from veritape.gateway.usage import UsageEvent
from veritape.kernel.errors import UnavailableError

LAYOUT: Final = 1
"""Version of the tables, SQLite's ``user_version``."""

GROUP_LIMIT: Final = 4_096
"""Events of one transaction."""

_TABLES: Final = (
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
    f"PRAGMA user_version = {LAYOUT}",
)

_INSERT: Final = f"INSERT INTO usage_event VALUES ({', '.join('?' * 19)}) ON CONFLICT DO NOTHING"  # noqa: S608 - constants
_MONTH: Final = """INSERT INTO usage_month VALUES (?, ?, ?, ?, 1) ON CONFLICT DO UPDATE
  SET units_mu = units_mu + excluded.units_mu, events = events + 1"""

_Waiting = tuple[UsageEvent, asyncio.Future[None], asyncio.AbstractEventLoop]


class Ledger:
    """The ledger of one gateway process; it holds the file's lock while it lives."""

    def __init__(self, path: Path) -> None:
        """Open or create the ledger and take its lock.

        Raises:
            UnavailableError: ``ledger_locked``, ``ledger_version``, or the file cannot be opened.
        """
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path.absolute()
        self._lock = _take_lock(path)
        try:
            self._connection = _open(path)
        except BaseException:
            os.close(self._lock)
            raise
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="usage-ledger")
        self._thread.start()

    async def append(self, event: UsageEvent) -> None:
        """Return once the event is durable.

        Raises:
            UnavailableError: it could not be written; then it is not in the ledger.
        """
        loop = asyncio.get_running_loop()
        written = loop.create_future()
        self._queue.put((event, written, loop))
        await written

    def close(self) -> None:
        """Write what waits, then let the file go."""
        self._queue.put(None)
        self._thread.join()
        self._connection.close()
        os.close(self._lock)

    def month_sums(self, period: str) -> dict[str, int]:
        """Return subject -> mu used in a month. Only before the first ``append``."""
        rows = self._connection.execute(
            "SELECT subject, sum(units_mu) FROM usage_month WHERE period = ? GROUP BY subject", (period,)
        )
        return {subject: max(0, units_mu) for subject, units_mu in rows}

    async def boot_sums(self, subject: str, period: str) -> dict[str, int]:
        """Return boot -> mu that it charged a subject in a month; boots in hexadecimal.

        Raises:
            UnavailableError: the ledger cannot be read.
        """
        return await asyncio.to_thread(self._boot_sums, subject, period)

    def _boot_sums(self, subject: str, period: str) -> dict[str, int]:
        try:
            with contextlib.closing(
                sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True, timeout=5.0)
            ) as reader:
                rows = reader.execute(
                    "SELECT hex(boot), units_mu FROM usage_month WHERE subject = ? AND period = ?",
                    (subject, period),
                )
                return {boot.lower(): units_mu for boot, units_mu in rows}
        except sqlite3.Error as error:
            raise UnavailableError(f"the usage ledger cannot be read: {error}") from error

    def charges_since(self, since_us: int) -> dict[str, list[Charge]]:
        """Return subject -> units charged in each second since a moment. Only before the first ``append``."""
        rows = self._connection.execute(
            "SELECT subject, at_us / ? AS second, sum(units_mu) FROM usage_event"
            " WHERE at_us >= ? AND kind = 'charge' GROUP BY subject, second",
            (MICROSECONDS, since_us),
        )
        found: dict[str, list[Charge]] = {}
        for subject, second, units_mu in rows:
            found.setdefault(subject, []).append(Charge(second * MICROSECONDS, units_mu))
        return found

    def _write(self) -> None:
        """Run the writer's thread: one group after the other until the end mark."""
        while (first := self._queue.get()) is not None:
            group, ended = [first], False
            while len(group) < GROUP_LIMIT and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    ended = True
                    break
                group.append(following)
            self._settle(group)
            if ended:
                return

    def _settle(self, group: Sequence[_Waiting]) -> None:
        failure: UnavailableError | None = None
        try:
            write_events(self._connection, [event for event, _, _ in group])
        except sqlite3.Error as error:
            failure = UnavailableError(f"the usage ledger cannot be written: {error}")
        for _, written, loop in group:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_resolve, written, failure)


def write_events(connection: sqlite3.Connection, events: Sequence[UsageEvent]) -> None:
    """Write events and their months in one durable transaction; an event that is there already changes nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for event in events:
            if connection.execute(_INSERT, event).rowcount and event.subject:
                connection.execute(_MONTH, (event.subject, event.period, event.boot, event.units_mu))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _resolve(written: asyncio.Future[None], failure: UnavailableError | None) -> None:
    if written.done():
        return
    if failure is None:
        written.set_result(None)
    else:
        written.set_exception(failure)


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
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > LAYOUT:
            connection.close()
            raise UnavailableError(
                f"ledger_version: {path} is of version {version}, this program writes {LAYOUT}: update it"
            )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if version == 0:
            connection.execute("BEGIN IMMEDIATE")
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise UnavailableError(f"cannot open the usage ledger {path}: {error}") from error
    path.chmod(0o600)
    return connection
