"""The layer on disk: entries as files, written once and whole; an index that is rebuilt from them (EX-404).

The files are the truth. The index, a SQLite database beside them, says which file may hold a key and when it was last used; it
is thrown away and made anew when it is missing or damaged, and several processes share it. It knows a key by its first 8 bytes:
a row of two integers costs half as much as one with the whole key, and a file is looked into before it is believed.
"""

import contextlib
import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from veritape.executor.adapters.cache.packs import SUFFIX, PackWriter, Written
from veritape.executor.cache.entries import KEY_BYTES, SECRET_BYTES, CacheReason, from_file, refusal, unpack
from veritape.executor.cache.memory import Eviction
from veritape.kernel.clock import NANOSECONDS
from veritape.kernel.errors import MisuseError, PeerError, UnavailableError
from veritape.kernel.files import write_atomically

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

_SCHEMA_VERSION = 3
"""An index of another version is thrown away like a damaged one."""

_PREFIX = np.dtype(">i8")
"""The first 8 bytes of a key as an integer. Of two keys with equal ones, the file written last is found: the other is a miss."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY, name TEXT UNIQUE, bytes INTEGER NOT NULL, created_ns INTEGER, used_ns INTEGER, prefixes BLOB
);
CREATE TABLE IF NOT EXISTS items (prefix INTEGER PRIMARY KEY, file INTEGER);
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
        self.writer = PackWriter(folder, self.secret, max_bytes)
        """Makes receipts durable; ``adopt`` takes what it wrote."""
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
        """Return those of some keys that the index may hold: ``get`` has an answer for them, or a refusal; all others are misses."""
        prefixes = _prefixes(keys)
        question = "SELECT prefix FROM items WHERE prefix IN (SELECT value FROM json_each(?))"
        with self._lock:
            found = {prefix for (prefix,) in self._database.execute(question, (json.dumps(prefixes),))}
        return (
            {key for key, prefix in zip(keys, prefixes, strict=True) if prefix in found} if found else set()
        )

    def get(self, key: bytes, now_ns: int) -> tuple[bytes | None, list[Eviction]]:
        """Return a receipt's bytes, or None, and what was let go because it was too old.

        Raises:
            PeerError: the entry is damaged or not ours; it is deleted before this is raised.
        """
        with self._lock:
            row = self._file_of(key)
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
        written = self.writer.write(receipts, now_ns) if receipts else None
        return [] if written is None else self.adopt(written, receipts)

    def adopt(self, written: Written, keys: Iterable[bytes]) -> list[Eviction]:
        """Index a file that this layer's writer wrote, here or in a worker; return why others were let go."""
        with self._lock:
            self._index(written, keys)
            return self._shrink()

    def drop(self, key: bytes) -> None:
        """Delete the entry that holds a key."""
        with self._lock:
            row = self._file_of(key)
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

    def _file_of(self, key: bytes) -> tuple[str, int] | None:
        """Return name and time of the file that may hold a key."""
        found: tuple[str, int] | None = self._database.execute(
            "SELECT name, created_ns FROM items JOIN files ON files.id = file WHERE prefix = ?",
            _prefixes([key]),
        ).fetchone()
        return found

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

    def _index(self, written: Written, keys: Iterable[bytes]) -> None:
        prefixes = _prefixes(keys)
        with self._change():
            self._forget(written.name)
            file = self._database.execute(
                "INSERT INTO files (name, bytes, created_ns, used_ns, prefixes) VALUES (?, ?, ?, ?, ?)",
                (*written, written.created_ns, np.array(prefixes, dtype=_PREFIX).tobytes()),
            ).lastrowid
            rows = "INSERT OR REPLACE INTO items SELECT value, ? FROM json_each(?)"
            self._database.execute(rows, (file, json.dumps(prefixes)))

    def _remove(self, name: str) -> None:
        self._packs.pop(name, None)
        (self._folder / name).unlink(missing_ok=True)
        with self._change():
            self._forget(name)

    @contextlib.contextmanager
    def _change(self) -> Iterator[None]:
        """Change the index as a whole or not at all; other processes wait, from the first look on."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def _forget(self, name: str) -> None:
        """Take a file out of the index, and the items that it is the last to hold."""
        row = self._database.execute("SELECT id, prefixes FROM files WHERE name = ?", (name,)).fetchone()
        if row is None:
            return
        file, prefixes = row
        rows = "DELETE FROM items WHERE file = ? AND prefix IN (SELECT value FROM json_each(?))"
        self._database.execute(rows, (file, json.dumps(np.frombuffer(prefixes, dtype=_PREFIX).tolist())))
        self._database.execute("DELETE FROM files WHERE id = ?", (file,))

    def _shrink(self) -> list[Eviction]:
        gone: list[Eviction] = []
        total = self.held_bytes
        while total > self._max_bytes:
            name, size, prefixes = self._database.execute(
                "SELECT name, bytes, length(prefixes) FROM files ORDER BY used_ns LIMIT 1"
            ).fetchone()
            self._remove(name)
            gone += [Eviction.BYTES] * (prefixes // _PREFIX.itemsize)
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
                    found = Written(name, path.stat().st_size, path.stat().st_mtime_ns)
                    self._index(found, _read(path, self.secret))


def _prefixes(keys: Iterable[bytes]) -> list[int]:
    """Return the integers by which the index knows some keys."""
    found: list[int] = np.frombuffer(b"".join(keys), dtype=_PREFIX)[:: KEY_BYTES // _PREFIX.itemsize].tolist()
    return found


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
