"""Close what a process that was killed left open (OB-508, OB-509).

Only checksums are read, through a memory map: the journal accepts writes again after a fraction of a second a gigabyte;
what the frames say is read afterwards, beside the new ones.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from veritape.kernel.files import sync_directory
from veritape.observer import journal
from veritape.observer.adapters.journal_files import SEALED_MODE, journal_paths, mapped
from veritape.observer.journal import Buffer, Scan

WRITABLE = 0o222
"""Permission bits of a file that was not sealed."""


@dataclass(frozen=True)
class Recovered:
    """What recovery did with one unsealed file (OB-508)."""

    path: Path
    frames: int
    """Frames kept."""
    cut_bytes: int
    """Bytes of a torn tail."""
    damaged: tuple[tuple[int, int], ...]
    """Ranges in the middle that cannot be read."""


def recover(directory: Path, quarantine: Path) -> list[Recovered]:
    """Close every unsealed file of a venue: cut a torn tail, keep a copy of a damaged file."""
    results = []
    for path in journal_paths(directory):
        if not path.stat().st_mode & WRITABLE:
            continue
        with mapped(path) as data:
            found = journal.scan(data)
            size = len(data)
            if found.header is None or found.damaged:
                _keep_copy(path, data, quarantine)
            end = None if found.header is None or found.sealed else _closing(data, found)
        if end is not None:
            kept, frames, seal = end
            _append(path, kept, seal)
            results.append(Recovered(path, frames, size - kept, found.damaged))
        elif found.header is None:
            path.unlink()
            results.append(Recovered(path, 0, size, ((0, size),)))
            continue
        path.chmod(SEALED_MODE)
    return results


def _closing(data: Buffer, found: Scan) -> tuple[int, int, bytes]:
    """Return the bytes that stay, their frames, and the seal that follows them."""
    kept = len(data) if found.torn_at is None else found.torn_at
    contents = journal.contents_of(data, found.blocks)
    number = found.blocks[-1].number + 1 if found.blocks else 0
    seal = journal.encode_seal(number, contents, journal.digest_of(data, kept), found.damaged)
    return kept, contents.frames, seal


def _append(path: Path, kept: int, seal: bytes) -> None:
    with path.open("r+b") as file:
        file.truncate(kept)
        file.seek(kept)
        file.write(seal)
        file.flush()
        os.fsync(file.fileno())
    sync_directory(path.parent)


def _keep_copy(path: Path, data: Buffer, quarantine: Path) -> None:
    quarantine.mkdir(parents=True, exist_ok=True)
    (quarantine / f"{path.parent.name}-{path.name}").write_bytes(data)
