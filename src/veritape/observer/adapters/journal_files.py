"""The journal's files on disk, read: which there are, in which order, and what stands in them (OB-501, OB-507)."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veritape.kernel.errors import PeerError
from veritape.observer import journal
from veritape.observer.journal import Block, Frame

SEALED_MODE = 0o444
"""Permission bits of a sealed file."""


def is_open(path: Path) -> bool:
    """Tell whether a journal file is still being written: it has no seal yet."""
    return path.suffix == ".vtj" and bool(path.lstat().st_mode & 0o222)


def journal_paths(directory: Path) -> list[Path]:
    """Return the journal files below a directory in the order in which they were created."""
    return sorted(
        directory.glob("**/*.vtj"),
        key=lambda path: (path.parent.name, _created_ns(path), len(path.name), path.name),
    )


def read_journal(directory: Path) -> Iterator[tuple[Path, Block, Frame]]:
    """Yield every readable frame below a directory in order, with the file and block that hold it."""
    for path in journal_paths(directory):
        for block, frames in read_file(path):
            for frame in frames:
                yield path, block, frame


def read_file(path: Path, after: int = -1) -> Iterator[tuple[Block, list[Frame]]]:
    """Yield each readable block of a file whose number is above ``after``, with its frames."""
    with mapped(path) as data:
        for block in journal.scan(data).blocks:
            if not block.is_seal and block.number > after:
                yield block, journal.read_block(data, block)


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap | bytes]:
    """Yield a file's bytes through a memory map; an empty file has none to map."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


def digest_of_newest(directory: Path) -> bytes:
    """Return what the next file's header says of the newest file below a directory: zeros when there is none (OB-502)."""
    paths = journal_paths(directory)
    if not paths:
        return bytes(journal.PREVIOUS_BYTES)
    with mapped(paths[-1]) as data:
        return journal.digest_of(data)[: journal.PREVIOUS_BYTES]


def _created_ns(path: Path) -> int:
    with path.open("rb") as file:
        head = file.read(journal.FILE_HEADER_BYTES)
    try:
        return journal.decode_file_header(head).created_ns
    except PeerError:
        return 0
