"""The few system calls that durability rests on, behind a protocol, so that a disk's failures can be injected (OB-854).

A fault is drawn by the rule of the replayed broker (OB-853): the n-th call of a kind fails if its draw lies below the
fault's share.
"""

import errno
import os
from pathlib import Path
from typing import Protocol

from blake3 import blake3

DRAW_BYTES = 8
"""Bytes of a digest that make one draw."""


class Storage(Protocol):
    """What a journal writer asks of the disk."""

    def create(self, path: Path) -> int:
        """Create a file for appending, sync its directory, return its descriptor."""
        ...

    def write(self, descriptor: int, data: bytes) -> None:
        """Append all bytes."""
        ...

    def sync(self, descriptor: int) -> None:
        """Return once the bytes are on the disk (``fdatasync``)."""
        ...


class Disk:
    """The real thing."""

    def create(self, path: Path) -> int:
        """Create a file and make its name durable."""
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        sync_directory(path.parent)
        return descriptor

    def write(self, descriptor: int, data: bytes) -> None:
        """Write everything, however small the pieces that the kernel takes."""
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    def sync(self, descriptor: int) -> None:
        """Call ``fdatasync``."""
        os.fdatasync(descriptor)


class FailingDisk(Disk):
    """A disk that fails on demand: the fake of every storage test."""

    def __init__(self, failures: dict[str, tuple[int, float]], seed: int = 7) -> None:
        self._failures = failures
        self._seed = seed
        self._calls = {"write": 0, "sync": 0}

    def write(self, descriptor: int, data: bytes) -> None:
        """Fail with half of the bytes written, as a full disk does."""
        if error := self._draw("write"):
            super().write(descriptor, data[: len(data) // 2])
            raise OSError(error, os.strerror(error))
        super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """Fail to make bytes durable."""
        if error := self._draw("sync"):
            raise OSError(error, os.strerror(error))
        super().sync(descriptor)

    def _draw(self, call: str) -> int:
        self._calls[call] += 1
        error, share = self._failures.get(call, (0, 0.0))
        digest = blake3(f"{self._seed}:{call}:{self._calls[call]}".encode()).digest(DRAW_BYTES)
        return error if int.from_bytes(digest, "little") / float(1 << (8 * DRAW_BYTES)) < share else 0


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_full(error: OSError) -> bool:
    """Tell whether an error means that the disk or the quota is used up."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}
