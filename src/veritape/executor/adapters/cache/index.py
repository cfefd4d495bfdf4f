"""The index of the layer on disk: a SQLite database that says which file may hold a key and when it was last used (EX-404).

It is thrown away and made anew when it is missing or damaged. Several processes share it: whoever wrote a file adds it, one at a
time. It knows a key by its first 8 bytes: a row of two integers costs half as much as one with the whole key, and a file is looked
into before it is believed. Of two keys with equal ones, the file written last is found: the other is a miss.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

import numpy as np

from veritape.executor.cache.prefixes import PREFIX, prefixes_of
from veritape.kernel.errors import UnavailableError

NAME: Final = "index.db"
"""The index's name in the cache's folder."""

WAIT_S = 10.0
"""Longest wait for another process that changes the index; a change takes some milliseconds."""

_SCHEMA_VERSION = 3
"""An index of another version is thrown away like a damaged one."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY, name TEXT UNIQUE, bytes INTEGER NOT NULL, created_ns INTEGER, used_ns INTEGER, prefixes BLOB
);
CREATE TABLE IF NOT EXISTS items (prefix INTEGER PRIMARY KEY, file INTEGER);
CREATE INDEX IF NOT EXISTS files_by_use ON files (used_ns);
"""


class Written(NamedTuple):
    """A file of the cache that is durable."""

    name: str
    """In the cache's folder."""
    size: int
    """Bytes."""
    created_ns: int
    """Wall clock."""
    held_bytes: int | None = None
    """Bytes of all files, where who wrote it added it to the index."""


class Index:
    """One connection; used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        """Open the index of a folder; one that is missing, damaged or of another version is empty afterwards.

        Raises:
            UnavailableError: it cannot be made.
        """
        path = folder / NAME
        for last_try in (False, True):
            try:
                self.database = _connect(path)
            except sqlite3.DatabaseError as error:
                if last_try:
                    raise UnavailableError(f"cannot use the cache's index {path}: {error}") from error
                for name in (NAME, f"{NAME}-wal", f"{NAME}-shm"):
                    (folder / name).unlink(missing_ok=True)
            else:
                return

    def close(self) -> None:
        """Close the connection."""
        self.database.close()

    def __len__(self) -> int:
        (count,) = self.database.execute("SELECT count(*) FROM items").fetchone()
        return int(count)

    def held_bytes(self) -> int:
        """Return the bytes of all files."""
        return _held_bytes(self.database)

    def names(self) -> set[str]:
        """Return the files that it knows."""
        return {name for (name,) in self.database.execute("SELECT name FROM files")}

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """Return those of some keys that a file may hold; all others are misses."""
        return _known(self.database, keys)

    def file_of(self, key: bytes) -> tuple[str, int] | None:
        """Return name and time of the file that may hold a key."""
        found: tuple[str, int] | None = self.database.execute(
            "SELECT name, created_ns FROM items JOIN files ON files.id = file WHERE prefix = ?",
            _prefixes([key]),
        ).fetchone()
        return found

    def used(self, name: str, now_ns: int) -> None:
        """Note that a file was used."""
        self.database.execute("UPDATE files SET used_ns = ? WHERE name = ?", (now_ns, name))

    def least_used(self) -> tuple[str, int, int]:
        """Return name, bytes and number of items of the file that was used longest ago."""
        name, size, prefixes = self.database.execute(
            "SELECT name, bytes, length(prefixes) FROM files ORDER BY used_ns LIMIT 1"
        ).fetchone()
        return name, size, prefixes // PREFIX.itemsize

    def add(self, written: Written, keys: Iterable[bytes]) -> None:
        """Take a file in."""
        add(self.database, written, keys)

    def forget(self, name: str) -> None:
        """Take a file out, and the items that it is the last to hold."""
        with _change(self.database):
            _forget(self.database, name)


def add(database: sqlite3.Connection, written: Written, keys: Iterable[bytes]) -> None:
    """Take a file into an index."""
    prefixes = _prefixes(keys)
    row = (written.name, written.size, written.created_ns, written.created_ns)
    with _change(database):
        _forget(database, written.name)
        file = database.execute(
            "INSERT INTO files (name, bytes, created_ns, used_ns, prefixes) VALUES (?, ?, ?, ?, ?)",
            (*row, np.array(prefixes, dtype=PREFIX).tobytes()),
        ).lastrowid
        rows = "INSERT OR REPLACE INTO items SELECT value, ? FROM json_each(?)"
        database.execute(rows, (file, json.dumps(prefixes)))


def added(folder: Path, written: Written, keys: Iterable[bytes]) -> Written:
    """Add a file to the index of a folder that another process keeps; where that cannot be done the file is told as not indexed."""
    with contextlib.suppress(sqlite3.Error), _visited(folder) as database:
        add(database, written, keys)
        return written._replace(held_bytes=_held_bytes(database))
    return written


def known_there(folder: Path, keys: Sequence[bytes]) -> set[bytes] | None:
    """Return those of some keys that the index of a folder may hold that another process keeps; None where it cannot be asked."""
    with contextlib.suppress(sqlite3.Error), _visited(folder) as database:
        return _known(database, keys)
    return None


@contextlib.contextmanager
def _visited(folder: Path) -> Iterator[sqlite3.Connection]:
    address = f"file:{quote(str(folder / NAME))}?mode=rw"
    database = sqlite3.connect(address, isolation_level=None, timeout=WAIT_S, uri=True)
    with contextlib.closing(database):
        _check_version(database)
        database.execute("PRAGMA synchronous = OFF")
        yield database


def _held_bytes(database: sqlite3.Connection) -> int:
    (total,) = database.execute("SELECT coalesce(sum(bytes), 0) FROM files").fetchone()
    return int(total)


def _known(database: sqlite3.Connection, keys: Sequence[bytes]) -> set[bytes]:
    prefixes = _prefixes(keys)
    question = "SELECT prefix FROM items WHERE prefix IN (SELECT value FROM json_each(?))"
    found = {prefix for (prefix,) in database.execute(question, (json.dumps(prefixes),))}
    return {key for key, prefix in zip(keys, prefixes, strict=True) if prefix in found} if found else set()


def _prefixes(keys: Iterable[bytes]) -> list[int]:
    """Return the integers by which the index knows some keys."""
    found: list[int] = prefixes_of(keys).tolist()
    return found


@contextlib.contextmanager
def _change(database: sqlite3.Connection) -> Iterator[None]:
    """Change an index as a whole or not at all; other processes wait, from the first look on."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _forget(database: sqlite3.Connection, name: str) -> None:
    row = database.execute("SELECT id, prefixes FROM files WHERE name = ?", (name,)).fetchone()
    if row is None:
        return
    file, prefixes = row
    rows = "DELETE FROM items WHERE file = ? AND prefix IN (SELECT value FROM json_each(?))"
    database.execute(rows, (file, json.dumps(np.frombuffer(prefixes, dtype=PREFIX).tolist())))
    database.execute("DELETE FROM files WHERE id = ?", (file,))


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=WAIT_S)
    try:
        _check(database)
        database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;" + _SCHEMA)
        database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    except BaseException:
        database.close()
        raise
    return database


def _check(database: sqlite3.Connection) -> None:
    (state,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if state != "ok":
        raise sqlite3.DatabaseError(state)
    (tables,) = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables:
        _check_version(database)


def _check_version(database: sqlite3.Connection) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version != _SCHEMA_VERSION:
        raise sqlite3.DatabaseError(f"version {version}")
