"""A log file that is begun anew at a size and at midnight, its predecessors compressed and counted (OB-723, TL-600).

Used as the stream of ``configure_logs``: one thread writes. A crash between two steps leaves an uncompressed predecessor,
which the next start compresses.
"""

import os
import re
from pathlib import Path

import zstandard

from veritape.kernel.clock import NANOSECONDS, Clock

LIMIT_BYTES = 64 << 20
"""Size at which a file is begun anew."""

KEPT = 30
"""Compressed predecessors that stay."""

DAY_NS = 24 * 3600 * NANOSECONDS
"""Nanoseconds in a day."""

ZSTD_LEVEL = 3
"""Lines of JSON become a tenth; a higher level is not worth its time."""

MODE = 0o640
"""Permission bits: an operator's group may read."""


class LogFile:
    """One log with its predecessors ``name.N.zst``, N rising for ever."""

    def __init__(
        self, path: Path, clock: Clock, day_offset_ns: int, limit_bytes: int = LIMIT_BYTES, kept: int = KEPT
    ) -> None:
        """Open or create the file.

        Args:
            path: where the newest lines are.
            clock: the machine's.
            day_offset_ns: what the day is ahead of UTC, nanoseconds.
            limit_bytes: size of one file.
            kept: predecessors that stay.

        Raises:
            OSError: it cannot be opened.
        """
        self._path = path
        self._clock = clock
        self._offset_ns = day_offset_ns
        self._limit_bytes = limit_bytes
        self._kept = kept
        self._day = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        for number, left in self._predecessors():
            if left.suffix != ".zst":
                self._compress(left, number)
        self._open()

    def write(self, text: str) -> int:
        """Append a line, in a new file when the present one is full or of another day."""
        data = text.encode()
        if self._size and (self._size + len(data) > self._limit_bytes or self._today() != self._day):
            self._rotate()
        if not self._size:
            self._day = self._today()
        self._file.write(data)
        self._size += len(data)
        return len(text)

    def flush(self) -> None:
        """Hand what was written to the kernel."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _open(self) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)
        self._file = os.fdopen(descriptor, "ab")
        status = os.fstat(descriptor)
        self._size = status.st_size
        self._day = (status.st_mtime_ns + self._offset_ns) // DAY_NS if self._size else self._today()

    def _today(self) -> int:
        return (self._clock.wall_ns() + self._offset_ns) // DAY_NS

    def _rotate(self) -> None:
        """Move the file aside, open a new one, compress the old one, delete the oldest."""
        self._file.close()
        number = max((number for number, _ in self._predecessors()), default=0) + 1
        aside = self._path.with_name(f"{self._path.name}.{number}")
        self._path.rename(aside)
        self._open()
        self._compress(aside, number)
        for _, oldest in sorted(self._predecessors())[: -self._kept]:
            oldest.unlink()

    def _predecessors(self) -> list[tuple[int, Path]]:
        pattern = re.compile(re.escape(self._path.name) + r"\.([0-9]+)(?:\.zst)?")
        found = ((pattern.fullmatch(path.name), path) for path in self._path.parent.iterdir())
        return [(int(match.group(1)), path) for match, path in found if match]

    def _compress(self, path: Path, number: int) -> None:
        target = self._path.with_name(f"{self._path.name}.{number}.zst")
        temporary = target.with_name(f".{target.name}.tmp")
        with path.open("rb") as source, temporary.open("wb") as file:
            zstandard.ZstdCompressor(ZSTD_LEVEL).copy_stream(source, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(target)
        path.unlink()
