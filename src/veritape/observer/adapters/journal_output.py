"""The end of the journal: the file that is being written, and the one that follows it (OB-501, OB-502, OB-507)."""

import os
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.observer import journal
from veritape.observer.adapters.journal_files import SEALED_MODE, digest_of_newest
from veritape.observer.adapters.storage import Storage, is_full
from veritape.observer.journal import Contents, Frame, Header, Venue
from veritape.observer.recorder import KST_NS

RESERVE_BYTES = 64 << 20
"""Size of the file that is released when the disk is full."""

PROBE_NAME = "probe"
"""Name, in the journal directory, of a file that is written over and over while nothing else is."""


@dataclass(frozen=True)
class JournalOptions:
    """Settings of the writer."""

    directory: Path
    """``journal/<venue>`` of the data directory."""
    venue: Venue = Venue.KRX
    """Whose frames these are."""
    commit_ms: int = 5
    """Milliseconds after a group's first frame at which it is committed."""
    commit_bytes: int = 1 << 20
    """Raw bytes at which a group is committed at once."""
    roll_bytes: int = 256 << 20
    """Size at which the next file begins."""
    queue_bytes: int = 64 << 20
    """Bytes that may wait between the loop and the thread."""
    zstd_level: int = 1
    """0 stores blocks as they are."""
    reserve_bytes: int = RESERVE_BYTES
    """Size of the reserve file."""
    day_offset_ns: int = KST_NS
    """What the venue's day is ahead of UTC, nanoseconds: names the day folders and the files."""


@dataclass
class _File:
    """The file that is being written."""

    path: Path
    descriptor: int
    hour: tuple[str, int]
    hasher: blake3
    size: int
    blocks: int = 0
    frames: int = 0
    first_ns: int = 0
    last_ns: int = 0


class Place(NamedTuple):
    """Where a group of frames stands."""

    day: str
    """Folder of the file, YYYYMMDD."""
    file: str
    """File name."""
    block: int
    """Block number in the file."""


class JournalOutput:
    """Appends blocks, each durable before the next; begins a file when the hour or the size asks for one."""

    def __init__(self, options: JournalOptions, storage: Storage, clock: Clock) -> None:
        self._options = options
        self._storage = storage
        self._clock = clock
        self._encoder = journal.BlockEncoder(options.zstd_level)
        self._run_id = os.urandom(16)
        self._previous = digest_of_newest(options.directory)
        self._file: _File | None = None
        self.bytes_written = 0
        """Bytes of all blocks."""
        self.sync_ns = 0
        """How long the newest ``fdatasync`` took."""
        self.errors: Counter[str] = Counter()
        """Calls that the operating system refused: ``write``, ``fsync``, ``rotate``."""

    def write(self, group: list[Frame]) -> Place:
        """Write frames as one block and sync it.

        Raises:
            OSError: the disk refused; a full one leaves the file as it was.
        """
        file = self._file_for(group[0])
        block = self._encoder.encode(group, file.blocks)
        self._append(file.descriptor, file.size, block)
        file.hasher.update(block)
        file.first_ns = file.first_ns or group[0].received_ns
        file.last_ns = group[-1].received_ns
        file.size += len(block)
        file.blocks += 1
        file.frames += len(group)
        self.bytes_written += len(block)
        return Place(file.path.parent.name, file.path.name, file.blocks - 1)

    def probe(self) -> None:
        """Make a byte durable beside the files: how else would an idle recorder know that its disk still takes them.

        Raises:
            OSError: the disk refused.
        """
        path = self._options.directory / PROBE_NAME
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._storage.write(descriptor, b"\n")
            self._storage.sync(descriptor)
        finally:
            os.close(descriptor)

    def seal(self) -> None:
        """Seal the file, if one is open; the next block begins another."""
        file = self._file
        if file is None:
            return
        contents = Contents(file.blocks, file.frames, file.first_ns, file.last_ns)
        seal = journal.encode_seal(file.blocks, contents, file.hasher.digest())
        self._append(file.descriptor, file.size, seal)
        os.fchmod(file.descriptor, SEALED_MODE)
        os.close(file.descriptor)
        self._file = None
        file.hasher.update(seal)
        self._previous = file.hasher.digest()[: journal.PREVIOUS_BYTES]

    def _append(self, descriptor: int, size: int, data: bytes) -> None:
        """Write and sync at the end of a file; a full disk leaves the file as it was."""
        call = "write"
        try:
            self._storage.write(descriptor, data)
            call, began_ns = "fsync", self._clock.monotonic_ns()
            self._storage.sync(descriptor)
            self.sync_ns = self._clock.monotonic_ns() - began_ns
        except OSError as error:
            self.errors[call] += 1
            if is_full(error):
                os.ftruncate(descriptor, size)
            raise

    def _file_for(self, frame: Frame) -> _File:
        local = self._local(frame.received_ns)
        hour = (f"{local:%Y%m%d}", local.hour)
        file = self._file
        if file is None or file.hour != hour or file.size >= self._options.roll_bytes:
            self.seal()
            file = self._file = self._create(hour, frame.received_ns)
        return file

    def _create(self, hour: tuple[str, int], created_ns: int) -> _File:
        local = self._local(created_ns)
        directory = self._options.directory / hour[0]
        number = 0
        while (path := directory / f"{local:%H%M}-{number}.vtj").exists():
            number += 1
        header = journal.encode_file_header(
            Header(self._options.venue, self._run_id, created_ns, self._previous)
        )
        descriptor = self._storage.create(path)
        try:
            self._storage.write(descriptor, header)
        except OSError:
            self.errors["rotate"] += 1
            os.close(descriptor)
            path.unlink()
            raise
        return _File(path, descriptor, hour, blake3(header), len(header))

    def _local(self, wall_ns: int) -> datetime:
        return datetime.fromtimestamp((wall_ns + self._options.day_offset_ns) // NANOSECONDS, UTC)
