"""Write a file so that a reader, or a crash at any moment, finds the old one or the new one and never half of either."""

import contextlib
import os
import secrets
from pathlib import Path

READABLE_MODE = 0o644
"""Permission bits of a file that other users may read."""


def write_atomically(path: Path, data: bytes, mode: int = READABLE_MODE) -> None:
    """Write beside the target, ``fsync``, rename, ``fsync`` the directory; the parent directories are created.

    Raises:
        OSError: the disk or the permissions refused; the target is then untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
