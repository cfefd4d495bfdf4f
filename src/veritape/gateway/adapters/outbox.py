"""A worker's outbox on disk: groups appended and synced, a lock for as long as the worker lives (GW-661, GW-663, GW-665).

Files are opened with ``O_DSYNC``: a write returns once the disk has it, as if ``fdatasync`` followed, in one call of the kernel
where it were two. A file gets its header and its lock under a hidden name and is then renamed, so nobody finds one without
either. A commit that fails is cut off again and the next one begins a new file: after a sync that failed nobody knows what the
old one holds.
"""

import contextlib
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from veritape.gateway.outbox import (
    FILE_LIMIT_BYTES,
    HEADER_BYTES,
    encode_groups,
    file_header,
    file_name,
)
from veritape.gateway.usage import UsageEvent
from veritape.kernel.errors import UnavailableError
from veritape.kernel.files import sync_directory

FOLDER: Final = "outbox"
"""Folder of the outbox files in the gateway's data directory."""

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_DSYNC
_MODE: Final = 0o600


class Outbox:
    """The outbox of one boot."""

    def __init__(self, folder: Path, boot: bytes, limit_bytes: int = FILE_LIMIT_BYTES) -> None:
        """Begin the boot's first file: its lock says from now on that the boot lives.

        Raises:
            UnavailableError: the file cannot be made.
        """
        self._folder, self._boot, self._limit_bytes = folder, boot, limit_bytes
        self._number, self._size = 0, HEADER_BYTES
        self._broken = False
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = self._begin()
        except OSError as error:
            raise _unwritable(folder, error) from error

    def write(self, events: Sequence[UsageEvent]) -> None:
        """Append events as one commit; return once it is durable.

        Raises:
            UnavailableError: it is not, and will not be.
        """
        groups = b"".join(encode_groups(events)) if events else b""
        try:
            if self._broken or self._size + len(groups) > self._limit_bytes:
                self._follow()
            if groups:
                self._append(groups)
        except OSError as error:
            raise _unwritable(self._folder, error) from error

    def probe(self) -> None:
        """Begin the next file if the last commit failed.

        Raises:
            UnavailableError: it cannot be made.
        """
        self.write(())

    def close(self) -> None:
        """Let the lock go: nothing more will be written."""
        os.close(self._file)

    def _follow(self) -> None:
        """Begin the next file, then let the one before go: the boot holds a lock all the time."""
        before, self._number = self._file, self._number + 1
        try:
            self._file = self._begin()
        except OSError:
            self._number -= 1
            raise
        self._size, self._broken = HEADER_BYTES, False
        os.close(before)

    def _begin(self) -> int:
        path = self._folder / file_name(self._boot, self._number)
        hidden = path.with_name(f".{path.name}")
        file = os.open(hidden, _FLAGS, _MODE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_all(file, file_header(self._boot), 0)
            hidden.rename(path)
            sync_directory(self._folder)
        except BaseException:
            os.close(file)
            hidden.unlink(missing_ok=True)
            raise
        return file

    def _append(self, groups: bytes) -> None:
        try:
            _write_all(self._file, groups, self._size)
        except OSError:
            self._broken = True
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise
        self._size += len(groups)


def _write_all(file: int, octets: bytes, offset: int) -> None:
    """Write everything, durably: the kernel may take less at a time, a full disk above all."""
    written = os.pwrite(file, octets, offset)
    while written < len(octets):
        written += os.pwrite(file, octets[written:], offset + written)


def _unwritable(folder: Path, error: OSError) -> UnavailableError:
    return UnavailableError(f"the usage outbox {folder} cannot be written: {error.strerror}")
