"""The layer on disk: entries as files, written once and whole; an index that is rebuilt from them (EX-404).

The files are the truth. The index, a SQLite database beside them, says which file holds a key and when it was last used; it is
thrown away and made anew when it is missing or damaged, and several processes share it.
"""

import contextlib
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from veritape.executor.cache.entries import (
    SECRET_BYTES,
    CacheReason,
    Entry,
    from_file,
    pack,
    refusal,
    to_file,
    unpack,
)
from veritape.executor.cache.memory import LARGEST_SHARE, Eviction
from veritape.kernel.clock import NANOSECONDS
from veritape.kernel.errors import MisuseError, PeerError, UnavailableError
from veritape.kernel.files import write_atomically

SUFFIX = ".entry"
"""Name suffix of an entry's file."""

INDEX = "index.db"
"""The index's name."""

SECRET = "secret"  # noqa: S105 - a file's name
"""Name of the secret that authenticates entries."""

SECRET_MODE = 0o600
"""Only the owner reads the secret."""

LEFTOVER_NS = 60 * NANOSECONDS
"""Age from which a temporary file is of nobody who still writes it."""

PACKS_KEPT = 4
"""Verified packs that stay parsed: a batch that resumes reads each of its packs once."""

_KEYS_AT_ONCE = 500
"""Keys of one question: SQLite allows 999 values in one in its older builds."""

_SCHEMA_VERSION = 2
"""An index of another version is thrown away like a damaged one."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY, name TEXT UNIQUE, bytes INTEGER, created_ns INTEGER, used_ns INTEGER
);
CREATE TABLE IF NOT EXISTS items (key BLOB PRIMARY KEY, file INTEGER) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS items_by_file ON items (file);
CREATE INDEX IF NOT EXISTS files_by_use ON files (used_ns);
"""


class DiskLayer:
    """A folder of entries; threads share an object, processes share the folder."""

    def __init__(
        self,
        folder: Path,
        max_bytes: int,
        now_ns: int,
        ttl_ns: int | None = None,
        secret: bytes | None = None,
    ) -> None:
        self._folder, self._max_bytes, self._ttl_ns = folder, max_bytes, ttl_ns
        self._lock = threading.RLock()
        self._packs: dict[str, dict[bytes, bytes]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.secret = secret or _own_secret(folder / SECRET)
            _remove_leftovers(folder, now_ns)
        except OSError as error:
            raise UnavailableError(f"cannot use the cache folder {folder}: {error.strerror}") from error
        self._database = self._open_index()
        self._reconcile()

    def close(self) -> None:
        """Close the index."""
        with self._lock:
            self._database.close()

    def __len__(self) -> int:
        with self._lock:
            (count,) = self._database.execute("SELECT count(*) FROM items").fetchone()
            return int(count)

    @property
    def held_bytes(self) -> int:
        """Return the bytes of all entries."""
        with self._lock:
            (total,) = self._database.execute("SELECT coalesce(sum(bytes), 0) FROM files").fetchone()
            return int(total)

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """Return those of some keys that are indexed: ``get`` has an answer for them, or a refusal."""
        found: set[bytes] = set()
        with self._lock:
            for first in range(0, len(keys), _KEYS_AT_ONCE):
                some = keys[first : first + _KEYS_AT_ONCE]
                places = ",".join("?" * len(some))
                rows = self._database.execute(f"SELECT key FROM items WHERE key IN ({places})", some)  # noqa: S608 - question marks
                found.update(key for (key,) in rows)
        return found

    def get(self, key: bytes, now_ns: int) -> tuple[bytes | None, list[Eviction]]:
        """Return a receipt's bytes, or None, and what was let go because it was too old.

        Raises:
            PeerError: the entry is damaged or not ours; it is deleted before this is raised.
        """
        with self._lock:
            row = self._database.execute(
                "SELECT name, created_ns FROM items JOIN files ON files.id = file WHERE key = ?", (key,)
            ).fetchone()
            if row is None:
                return None, []
            name, created_ns = row
            if self._ttl_ns is not None and now_ns - created_ns >= self._ttl_ns:
                self._remove(name)
                return None, [Eviction.TTL]
            self._database.execute("UPDATE files SET used_ns = ? WHERE name = ?", (now_ns, name))
            return self._members(name).get(key), []

    def put(self, receipts: Mapping[bytes, bytes], now_ns: int) -> list[Eviction]:
        """Make receipts durable in one write; return why others were let go.

        Raises:
            OSError: the disk refused; nothing of it is under a final name.
        """
        if not receipts:
            return []
        key, body = pack(receipts)
        data = to_file(Entry(key, now_ns, body), self.secret)
        if len(data) * LARGEST_SHARE > self._max_bytes:
            return []
        name = key.hex() + SUFFIX
        write_atomically(self._folder / name, data)
        with self._lock:
            self._index(name, len(data), now_ns, receipts)
            return self._shrink()

    def drop(self, key: bytes) -> None:
        """Delete the entry that holds a key."""
        with self._lock:
            row = self._database.execute(
                "SELECT name FROM items JOIN files ON files.id = file WHERE key = ?", (key,)
            ).fetchone()
            if row is not None:
                self._remove(row[0])

    def clear(self) -> int:
        """Delete every entry; return how many receipts went."""
        with self._lock:
            count = len(self)
            for (name,) in self._database.execute("SELECT name FROM files").fetchall():
                self._remove(name)
            return count

    def entries(self) -> Iterator[tuple[str, dict[bytes, bytes] | PeerError]]:
        """Yield every file with its receipts by key, or why it is refused (``cache verify``)."""
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            try:
                yield path.name, _read(path, self.secret)
            except PeerError as error:
                yield path.name, error

    def _members(self, name: str) -> dict[bytes, bytes]:
        if name not in self._packs:
            try:
                found = _read(self._folder / name, self.secret)
            except PeerError:
                self._remove(name)
                raise
            while len(self._packs) >= PACKS_KEPT:
                del self._packs[next(iter(self._packs))]
            self._packs[name] = found
        return self._packs[name]

    def _index(self, name: str, size: int, now_ns: int, receipts: Mapping[bytes, bytes]) -> None:
        self._database.execute("BEGIN")
        self._database.execute(
            "DELETE FROM items WHERE file = (SELECT id FROM files WHERE name = ?)", (name,)
        )
        file = self._database.execute(
            "INSERT OR REPLACE INTO files (name, bytes, created_ns, used_ns) VALUES (?, ?, ?, ?)",
            (name, size, now_ns, now_ns),
        ).lastrowid
        rows = [(key, file) for key in receipts]
        self._database.executemany("INSERT OR REPLACE INTO items VALUES (?, ?)", rows)
        self._database.execute("COMMIT")

    def _remove(self, name: str) -> None:
        self._packs.pop(name, None)
        (self._folder / name).unlink(missing_ok=True)
        self._database.execute(
            "DELETE FROM items WHERE file = (SELECT id FROM files WHERE name = ?)", (name,)
        )
        self._database.execute("DELETE FROM files WHERE name = ?", (name,))

    def _shrink(self) -> list[Eviction]:
        gone: list[Eviction] = []
        total = self.held_bytes
        while total > self._max_bytes:
            file, name, size = self._database.execute(
                "SELECT id, name, bytes FROM files ORDER BY used_ns LIMIT 1"
            ).fetchone()
            (held,) = self._database.execute("SELECT count(*) FROM items WHERE file = ?", (file,)).fetchone()
            self._remove(name)
            gone += [Eviction.BYTES] * held
            total -= size
        return gone

    def _open_index(self) -> sqlite3.Connection:
        path = self._folder / INDEX
        for last_try in (False, True):
            try:
                return _connect(path)
            except sqlite3.DatabaseError as error:
                if last_try:
                    raise UnavailableError(f"cannot use the cache's index {path}: {error}") from error
                for name in (INDEX, f"{INDEX}-wal", f"{INDEX}-shm"):
                    (self._folder / name).unlink(missing_ok=True)
        raise AssertionError

    def _reconcile(self) -> None:
        """Index files that are not indexed, forget those that are gone: all of them after a lost index."""
        with self._lock:
            present = {entry.name for entry in os.scandir(self._folder) if entry.name.endswith(SUFFIX)}
            known = {name for (name,) in self._database.execute("SELECT name FROM files")}
            for name in known - present:
                self._remove(name)
            for name in sorted(present - known):
                path = self._folder / name
                with contextlib.suppress(PeerError, FileNotFoundError):
                    self._index(
                        name, path.stat().st_size, int(path.stat().st_mtime_ns), _read(path, self.secret)
                    )


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
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
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and version != _SCHEMA_VERSION:
        raise sqlite3.DatabaseError(f"version {version}")


def _read(path: Path, secret: bytes) -> dict[bytes, bytes]:
    try:
        entry = from_file(path.read_bytes(), secret)
    except OSError as error:
        raise refusal(CacheReason.BAD_ENTRY) from error
    if path.name != entry.key.hex() + SUFFIX:
        raise refusal(CacheReason.BAD_MAC)
    return unpack(entry.key, entry.body)


def _remove_leftovers(folder: Path, now_ns: int) -> None:
    for leftover in folder.glob(".*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            if now_ns - leftover.stat().st_mtime_ns >= LEFTOVER_NS:
                leftover.unlink()


def _own_secret(path: Path) -> bytes:
    """Return the secret beside the cache, made once; two processes that start together agree on one."""
    if not path.exists():
        temporary = path.with_name(f".secret.{secrets.token_hex(8)}.tmp")
        write_atomically(temporary, secrets.token_bytes(SECRET_BYTES), SECRET_MODE)
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
        temporary.unlink()
    return read_secret(path)


def read_secret(path: Path) -> bytes:
    """Return a secret of at least 32 bytes.

    Raises:
        MisuseError: it cannot be read, or is shorter.
    """
    try:
        secret = path.read_bytes()
    except OSError as error:
        raise MisuseError(f"cache.secret_file: cannot read {path}: {error.strerror}") from error
    if len(secret) < SECRET_BYTES:
        raise MisuseError(f"cache.secret_file: {path} is shorter than {SECRET_BYTES} bytes")
    return secret
