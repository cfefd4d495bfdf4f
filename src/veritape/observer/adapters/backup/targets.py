"""Where a backup lies: a folder, or anything that fsspec has a driver for (OB-752, OB-753).

Nothing is ever half there under its name. A folder takes a temporary name, ``fsync``, a rename and ``fsync`` of the
directory; S3 takes a conditional put, which is whole or nothing; other stores a temporary name and a move.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar
from urllib.parse import unquote, urlsplit

import fsspec

from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.kernel.files import sync_directory, write_atomically

CHUNK_BYTES = 16 << 20
"""Bytes that are held in memory of an object."""

TEMPORARY = "temporary"
"""Folder of what is being sent; older leavings are cleaned with the unlisted objects."""

SEALED_MODE = 0o444
"""Permission bits of an object in a folder."""

Answer = TypeVar("Answer")


class Stored(NamedTuple):
    """A file at a target."""

    name: str
    """Relative to the target."""
    modified_ns: int
    """Wall clock of the store."""


class Target(Protocol):
    """What a backup asks of a store. Every method raises ``UnavailableError`` when the store refuses or is away."""

    url: str
    """Its address, without secrets."""

    def size(self, name: str) -> int | None:
        """Return a file's size, None when it is not there."""
        ...

    def send(self, name: str, source: Path, *, replace: bool = False) -> None:
        """Copy a local file; what is there already stays unless it is to be replaced."""
        ...

    def write(self, name: str, data: bytes, *, replace: bool = False) -> None:
        """Write a small document.

        Raises:
            FileExistsError: it is there and is not to be replaced.
        """
        ...

    def read(self, name: str) -> bytes | None:
        """Return a small document, None when it is not there."""
        ...

    def chunks(self, name: str, size: int) -> Iterator[bytes]:
        """Yield a file of a known size piece by piece, from the store itself and not from a cache of what was sent."""
        ...

    def names(self, folder: str) -> list[Stored]:
        """Return every file below a folder."""
        ...

    def delete(self, name: str) -> None:
        """Delete one file."""
        ...


class FolderTarget:
    """A folder, best on another disk."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.url = f"file://{root}"
        """Its address."""

    def device(self) -> int:
        """Return the device of the folder, or of the nearest one above that exists."""
        folder = self._root
        while not folder.exists():
            folder = folder.parent
        return folder.stat().st_dev

    def size(self, name: str) -> int | None:
        """Return a file's size, None when it is not there."""
        try:
            return self._asked(lambda: (self._root / name).stat().st_size)
        except FileNotFoundError:
            return None

    def send(self, name: str, source: Path, *, replace: bool = False) -> None:
        """Copy under a temporary name, sync, rename."""
        if replace or self.size(name) is None:
            self._asked(lambda: self._copy(self._root / name, source))

    def write(self, name: str, data: bytes, *, replace: bool = False) -> None:
        """Write a small document as the recorder writes its own."""
        if not replace and self.size(name) is not None:
            raise FileExistsError(name)
        self._asked(lambda: write_atomically(self._root / name, data))

    def read(self, name: str) -> bytes | None:
        """Return a small document, None when it is not there."""
        try:
            return self._asked((self._root / name).read_bytes)
        except FileNotFoundError:
            return None

    def chunks(self, name: str, size: int) -> Iterator[bytes]:
        """Yield a file's bytes from the disk: what the kernel still holds of the copy is dropped first."""
        del size
        with self._asked(lambda: (self._root / name).open("rb")) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            while chunk := self._asked(lambda: file.read(CHUNK_BYTES)):
                yield chunk

    def names(self, folder: str) -> list[Stored]:
        """Return every file below a folder."""
        paths = sorted((self._root / folder).rglob("*"))
        return [
            Stored(str(path.relative_to(self._root)), path.stat().st_mtime_ns)
            for path in paths
            if path.is_file()
        ]

    def delete(self, name: str) -> None:
        """Delete one file."""
        self._asked(lambda: (self._root / name).unlink(missing_ok=True))

    def _copy(self, path: Path, source: Path) -> None:
        temporary = self._root / TEMPORARY / secrets.token_hex(8)
        for folder in (temporary.parent, path.parent):
            folder.mkdir(parents=True, exist_ok=True)
        try:
            with source.open("rb") as data, temporary.open("xb") as file:
                shutil.copyfileobj(data, file, CHUNK_BYTES)
                file.flush()
                os.fchmod(file.fileno(), SEALED_MODE)
                os.fsync(file.fileno())
            temporary.rename(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_directory(path.parent)

    def _asked(self, action: Callable[[], Answer]) -> Answer:
        try:
            return action()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise UnavailableError(
                f"backup target {self.url}: {error.strerror}: {error.filename or ''}"
            ) from error


class StoreTarget:
    """A store behind a driver of fsspec."""

    def __init__(self, url: str, store: Any, root: str) -> None:
        self.url = url
        """Its address."""
        self._store = store
        self._root = root.rstrip("/")
        protocol = store.protocol
        self._conditional = "s3" in ((protocol,) if isinstance(protocol, str) else protocol)

    def size(self, name: str) -> int | None:
        """Return a file's size, None when it is not there."""
        try:
            return int(self._asked(lambda: self._store.info(self._path(name)))["size"])
        except FileNotFoundError:
            return None

    def send(self, name: str, source: Path, *, replace: bool = False) -> None:
        """Copy by a conditional put, or under a temporary name that is moved."""
        path, local = self._path(name), str(source)
        if self._conditional:
            mode = "overwrite" if replace else "create"
            with contextlib.suppress(FileExistsError):
                self._put(lambda: self._store.put_file(local, path, mode=mode))
        elif replace or self.size(name) is None:
            self._moved(path, lambda temporary: self._store.put_file(local, temporary))

    def write(self, name: str, data: bytes, *, replace: bool = False) -> None:
        """Write a small document."""
        path = self._path(name)
        if self._conditional:
            mode = "overwrite" if replace else "create"
            self._put(lambda: self._store.pipe_file(path, data, mode=mode))
            return
        if not replace and self.size(name) is not None:
            raise FileExistsError(name)
        self._moved(path, lambda temporary: self._store.pipe_file(temporary, data))

    def read(self, name: str) -> bytes | None:
        """Return a small document, None when it is not there."""
        try:
            return bytes(self._asked(lambda: self._store.cat_file(self._path(name))))
        except FileNotFoundError:
            return None

    def chunks(self, name: str, size: int) -> Iterator[bytes]:
        """Yield ranges of a file."""
        path = self._path(name)
        for start in range(0, max(size, 1), CHUNK_BYTES):
            yield self._range(path, start, min(start + CHUNK_BYTES, size))

    def names(self, folder: str) -> list[Stored]:
        """Return every file below a folder."""
        try:
            found = self._asked(lambda: self._store.find(self._path(folder), detail=True))
        except FileNotFoundError:
            return []
        return [
            Stored(path.removeprefix(self._root).lstrip("/"), _modified_ns(facts))
            for path, facts in sorted(found.items())
        ]

    def delete(self, name: str) -> None:
        """Delete one file."""
        try:
            self._asked(lambda: self._store.rm_file(self._path(name)))
        except FileNotFoundError:
            return

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _range(self, path: str, start: int, end: int) -> bytes:
        return (
            bytes(self._asked(lambda: self._store.cat_file(path, start=start, end=end)))
            if end > start
            else b""
        )

    def _moved(self, path: str, put: Callable[[str], object]) -> None:
        temporary = self._path(f"{TEMPORARY}/{secrets.token_hex(8)}")
        for name in (temporary, path):
            self._put(partial(self._store.makedirs, name.rpartition("/")[0], exist_ok=True))
        self._put(lambda: put(temporary))
        self._put(lambda: self._store.mv(temporary, path))

    def _put(self, action: Callable[[], object]) -> None:
        try:
            self._asked(action)
        except FileNotFoundError as error:
            raise UnavailableError(f"backup target {self.url}: {error}") from error

    def _asked(self, action: Callable[[], Answer]) -> Answer:
        try:
            return action()
        except (FileNotFoundError, FileExistsError):
            raise
        except Exception as error:  # each driver has exceptions of its own, and all of them mean the same
            raise UnavailableError(
                f"backup target {self.url}: {str(error) or type(error).__name__}"
            ) from error


def open_target(url: str) -> FolderTarget | StoreTarget:
    """Return the target of a URL.

    Raises:
        MisuseError: a scheme without a driver here, or a URL that holds a password.
    """
    parts = urlsplit(url)
    if parts.password or parts.username:
        raise MisuseError(
            f"backup target {parts.scheme}://...: credentials in a URL end up in logs: use the environment"
        )
    if parts.scheme in {"", "file"}:
        if parts.netloc not in {"", "localhost"} or not parts.path:
            raise MisuseError(f"backup target {url}: write file:///folder")
        return FolderTarget(Path(unquote(parts.path)).absolute())
    try:
        store, root = fsspec.core.url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
    except ImportError as error:
        raise MisuseError(
            f"backup target {url}: {error.name} is not installed: pip install 'veritape[s3]'"
        ) from error
    except ValueError as error:
        raise MisuseError(f"backup target {url}: {error}") from error
    return StoreTarget(url, store, str(root))


def same_device(targets: list[FolderTarget | StoreTarget], data: Path) -> bool:
    """Tell whether every target lies on the device of the data itself: one disk that dies takes both (OB-752)."""
    device = data.stat().st_dev
    return all(isinstance(target, FolderTarget) and target.device() == device for target in targets)


def _modified_ns(facts: dict[str, Any]) -> int:
    """Return when a file was written; what the driver does not tell counts as just now, so that nothing is cleaned early."""
    for name in ("LastModified", "mtime", "created"):
        value = facts.get(name)
        if isinstance(value, datetime):
            return int(value.timestamp() * 1e9)
        if isinstance(value, int | float):
            return int(value * 1e9)
    return 1 << 62
