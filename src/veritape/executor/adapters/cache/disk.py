"""The layer on disk: entries as files, written once and whole; an index that is rebuilt from them (EX-404).

The files are the truth. The index beside them says which file may hold a key and when it was last used; what it does not know
of the folder at a start is read from the files.
"""

import contextlib
import os
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from veritape.executor.adapters.cache.index import Index, Written
from veritape.executor.adapters.cache.packs import SUFFIX, PackWriter
from veritape.executor.cache.entries import SECRET_BYTES, CacheReason, from_file, refusal, unpack
from veritape.executor.cache.memory import Eviction
from veritape.kernel.clock import NANOSECONDS
from veritape.kernel.errors import MisuseError, PeerError, UnavailableError
from veritape.kernel.files import write_atomically

SECRET = "secret"  # noqa: S105 - a file's name
"""Name of the secret that authenticates entries."""

SECRET_MODE = 0o600
"""Only the owner reads the secret."""

LEFTOVER_NS = 60 * NANOSECONDS
"""Age from which a temporary file is of nobody who still writes it."""

PACKS_KEPT = 4
"""Verified packs that stay parsed: a batch that resumes reads each of its packs once."""


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
        self._index = Index(folder)
        self._reconcile()

    def close(self) -> None:
        """Close the index."""
        with self._lock:
            self._index.close()

    def __len__(self) -> int:
        with self._lock:
            return len(self._index)

    @property
    def held_bytes(self) -> int:
        """Return the bytes of all entries."""
        with self._lock:
            return self._index.held_bytes()

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """Return those of some keys that the index may hold: ``get`` has an answer for them, or a refusal; all others are misses."""
        with self._lock:
            return self._index.known(keys)

    def get(self, key: bytes, now_ns: int) -> tuple[bytes | None, list[Eviction]]:
        """Return a receipt's bytes, or None, and what was let go because it was too old.

        Raises:
            PeerError: the entry is damaged or not ours; it is deleted before this is raised.
        """
        with self._lock:
            row = self._index.file_of(key)
            if row is None:
                return None, []
            name, created_ns = row
            if self._ttl_ns is not None and now_ns - created_ns >= self._ttl_ns:
                self._remove(name)
                return None, [Eviction.TTL]
            self._index.used(name, now_ns)
            return self._members(name).get(key), []

    def put(self, receipts: Mapping[bytes, bytes], now_ns: int) -> list[Eviction]:
        """Make receipts durable in one write; return why others were let go.

        Raises:
            OSError: the disk refused; nothing of it is under a final name.
        """
        written = self.writer.write(receipts, now_ns) if receipts else None
        return [] if written is None else self.adopt(written, receipts)

    def adopt(self, written: Written, keys: Iterable[bytes]) -> list[Eviction]:
        """Take a file that this layer's writer wrote, here or in a worker; return why others were let go."""
        with self._lock:
            if written.held_bytes is None:
                self._index.add(written, keys)
            elif written.held_bytes <= self._max_bytes:
                return []
            return self._shrink()

    def drop(self, key: bytes) -> None:
        """Delete the entry that holds a key."""
        with self._lock:
            row = self._index.file_of(key)
            if row is not None:
                self._remove(row[0])

    def clear(self) -> int:
        """Delete every entry; return how many receipts went."""
        with self._lock:
            count = len(self)
            for name in self._index.names():
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

    def _remove(self, name: str) -> None:
        self._packs.pop(name, None)
        (self._folder / name).unlink(missing_ok=True)
        self._index.forget(name)

    def _shrink(self) -> list[Eviction]:
        gone: list[Eviction] = []
        total = self._index.held_bytes()
        while total > self._max_bytes:
            name, size, items = self._index.least_used()
            self._remove(name)
            gone += [Eviction.BYTES] * items
            total -= size
        return gone

    def _reconcile(self) -> None:
        """Index files that are not indexed, forget those that are gone: all of them after a lost index."""
        with self._lock:
            present = {entry.name for entry in os.scandir(self._folder) if entry.name.endswith(SUFFIX)}
            known = self._index.names()
            for name in known - present:
                self._remove(name)
            for name in sorted(present - known):
                path = self._folder / name
                with contextlib.suppress(PeerError, FileNotFoundError):
                    found = Written(name, path.stat().st_size, path.stat().st_mtime_ns)
                    self._index.add(found, _read(path, self.secret))


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
