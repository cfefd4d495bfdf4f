"""``control.db``: SQLite in WAL mode with synchronous=FULL, written by one thread (OB-561).

Whatever was handed in while the last transaction was being written goes into the next one together, so the event loop
never waits for a disk. Several processes may have it open: the recorder and, beside it, ``audit`` or ``backup``.
"""

import errno
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from veritape.kernel.errors import CheckFailedError, MisuseError, UnavailableError
from veritape.kernel.files import sync_directory
from veritape.observer.control import FILE_NAME, SCHEMA, TABLES, ControlReason, Table

BUSY_SECONDS: Final = 10
"""How long a transaction waits for another process's."""

GROUP_LIMIT: Final = 1_000
"""Changes of one transaction."""

COMPANIONS: Final = ("", "-wal", "-shm")
"""Suffixes of the files that are one database."""

CORRUPTIONS: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
"""Error codes of a database that cannot be read."""

Row = Mapping[str, Any]
"""Column -> value; every column of the table."""


class _Change(NamedTuple):
    """One change that is written together or not at all."""

    statements: Sequence[tuple[str, Sequence[Sequence[Any]]]]
    done: threading.Event | None = None


class ControlDatabase:
    """An open control.db."""

    def __init__(self, path: Path) -> None:
        """Open or create the file.

        Raises:
            CheckFailedError: ``corrupt``.
            MisuseError: ``newer_schema``.
            UnavailableError: another process holds it, or it cannot be opened.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        """The file."""
        self._writing = _open(path)
        self._reading = _connect(path)
        self._reads = threading.Lock()
        self._error: Exception | None = None
        self._queue: queue.SimpleQueue[_Change | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="control", daemon=True)
        self._thread.start()

    def put(self, table: Table, *rows: Row) -> None:
        """Insert rows, replacing those of the same keys.

        Raises:
            OSError: the disk refused an earlier change.
            UnavailableError: the database did.
        """
        self._hand_in(_Change([_insertion(table, rows)]))

    def replace(self, table: Table, rows: Sequence[Row], **where: Any) -> None:
        """Put these rows in place of all that match ``where``, in one transaction; errors as ``put``."""
        self._hand_in(_Change([_deletion(table, where), _insertion(table, rows)]))

    def delete(self, table: Table, **where: Any) -> None:
        """Delete the rows that match; errors as ``put``."""
        self._hand_in(_Change([_deletion(table, where)]))

    def rows(self, table: Table, **where: Any) -> list[dict[str, Any]]:
        """Return the committed rows whose columns have these values, in the order of the key; ``flush`` first to see your own.

        Raises:
            UnavailableError: the database cannot be read.
        """
        condition, values = _condition(table, where)
        statement = (
            f"SELECT {', '.join(table.names)} FROM {table.name}{condition} ORDER BY {', '.join(table.key)}"  # noqa: S608 - constants
        )
        with self._reads:
            try:
                found = self._reading.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise _unavailable(self.path, error) from error
        return [dict(zip(table.names, row, strict=True)) for row in found]

    def flush(self) -> None:
        """Return once everything handed in is durable; errors as ``put``. Blocks: not for the event loop."""
        done = threading.Event()
        self._hand_in(_Change([], done))
        done.wait()
        self._raise()

    def close(self) -> None:
        """Write what is left and close; errors as ``put``."""
        self._queue.put(None)
        self._thread.join()
        self._reading.close()
        self._writing.close()
        self._raise()

    def _hand_in(self, change: _Change) -> None:
        self._raise()
        self._queue.put(change)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _write(self) -> None:
        while (first := self._queue.get()) is not None:
            changes, ends = [first], False
            while len(changes) < GROUP_LIMIT and not self._queue.empty():
                change = self._queue.get()
                if change is None:
                    ends = True
                    break
                changes.append(change)
            self._commit(changes)
            if ends:
                return

    def _commit(self, changes: Sequence[_Change]) -> None:
        try:
            if self._error is None and any(change.statements for change in changes):
                with self._writing:
                    self._writing.execute("BEGIN IMMEDIATE")
                    for change in changes:
                        for statement, rows in change.statements:
                            self._writing.executemany(statement, rows)
        except sqlite3.Error as error:
            self._error = _unavailable(self.path, error)
        finally:
            for change in changes:
                if change.done is not None:
                    change.done.set()


def open_control(
    data: Path, rebuild: Callable[[ControlDatabase], None]
) -> tuple[ControlDatabase, Path | None]:
    """Open a recording's control.db; one that is corrupt is moved aside and built again, a missing one is built.

    Only for the process that holds the account's lock.

    Args:
        data: data directory.
        rebuild: fills an empty database from seals and journal.

    Returns:
        The database, and where the corrupt one lies now.

    Raises:
        MisuseError: ``newer_schema``.
        UnavailableError: it cannot be opened.
    """
    path, moved = data / FILE_NAME, None
    exists = path.exists()
    try:
        control = ControlDatabase(path)
    except CheckFailedError:
        moved = _move_aside(path, data / "quarantine")
        exists, control = False, ControlDatabase(path)
    if not exists:
        rebuild(control)
        control.flush()
    return control, moved


def _open(path: Path) -> sqlite3.Connection:
    connection = _connect(path)
    try:
        _require_known_and_whole(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _create(connection)
    except sqlite3.Error as error:
        connection.close()
        raise _corrupt(path, str(error)) if _is_corrupt(error) else _unavailable(path, error) from error
    except BaseException:
        connection.close()
        raise
    sync_directory(path.parent)
    return connection


def _require_known_and_whole(connection: sqlite3.Connection, path: Path) -> None:
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA:
        raise MisuseError(
            f"{path}: schema {version}, this version knows {SCHEMA}: use the veritape that wrote it",
            ControlReason.NEWER_SCHEMA,
        )
    [verdict] = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise _corrupt(path, verdict)


def _connect(path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise _unavailable(path, error) from error


def _create(connection: sqlite3.Connection) -> None:
    """Create the tables of an empty file, unless another process just did."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("PRAGMA user_version").fetchone() == (0,):
            for table in TABLES:
                connection.execute(table.definition)
            connection.execute(f"PRAGMA user_version = {SCHEMA}")


def _insertion(table: Table, rows: Sequence[Row]) -> tuple[str, Sequence[Sequence[Any]]]:
    for row in rows:
        if set(row) != set(table.names):
            raise TypeError(f"a row of {table.name} has the columns {', '.join(sorted(row))}")
    places = ", ".join("?" * len(table.names))
    statement = f"INSERT OR REPLACE INTO {table.name} VALUES ({places})"  # noqa: S608 - constants
    return statement, [[row[name] for name in table.names] for row in rows]


def _deletion(table: Table, where: Mapping[str, Any]) -> tuple[str, Sequence[Sequence[Any]]]:
    condition, values = _condition(table, where)
    return f"DELETE FROM {table.name}{condition}", [values]  # noqa: S608 - constants


def _condition(table: Table, where: Mapping[str, Any]) -> tuple[str, list[Any]]:
    if unknown := set(where) - set(table.names):
        raise TypeError(f"{table.name} has no column {', '.join(sorted(unknown))}")
    return (" WHERE " + " AND ".join(f"{name} IS ?" for name in where) if where else ""), list(where.values())


def _is_corrupt(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in CORRUPTIONS


def _corrupt(path: Path, text: str) -> CheckFailedError:
    return CheckFailedError(
        f"{path}: {text}: start veritape record, which rebuilds it from seals and journal",
        ControlReason.CORRUPT,
    )


def _unavailable(path: Path, error: sqlite3.Error) -> Exception:
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    return UnavailableError(f"{path}: {error}: free it or its disk and start again")


def _move_aside(path: Path, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.glob(f"{FILE_NAME}.[0-9]*")))
    target = folder / f"{FILE_NAME}.{number}"
    for suffix in COMPANIONS:
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(folder / f"{FILE_NAME}{suffix}.{number}")
    sync_directory(path.parent)
    return target
