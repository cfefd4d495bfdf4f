"""Whether a recording's files are still the ones that were sealed (OB-507, OB-555, OB-991).

A file that is being written has no seal yet, and what a crash left behind is repaired by the next start: neither is damage.
"""

import json
import mmap
from pathlib import Path

from blake3 import blake3

from veritape.observer import journal
from veritape.observer.adapters.journal_files import SEALED_MODE, journal_paths
from veritape.observer.adapters.seal_files import seal_hash
from veritape.observer.adapters.segment_files import SegmentStore
from veritape.observer.journal import Scan

EMPTY = 0
"""Size of a file whose header did not reach the disk."""


def journal_damage(folder: Path) -> list[str]:
    """Return a line for each damaged place in the journal files below a folder."""
    lines = []
    for path in journal_paths(folder):
        with path.open("rb") as file:
            if path.stat().st_size == EMPTY:
                continue
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
                closed = path.stat().st_mode & 0o777 == SEALED_MODE
                lines += [f"{path}: {line}" for line in _file_damage(view, closed=closed)]
    return lines


def segment_damage(store: SegmentStore, day: str) -> list[str]:
    """Return a line for each segment of a day that is not what its seal says, and each broken link to the seal before."""
    broken = store.chain_problems()
    lines = [f"{path}: segment_corrupt: the seal cannot be read" for path in store.unreadable_seals(day)]
    for seal in store.seals(day):
        if not seal.path.exists():
            lines.append(f"{seal.path}: segment_corrupt: the file is missing")
        elif blake3(seal.path.read_bytes()).hexdigest() != seal.document["blake3"]:
            lines.append(f"{seal.path}: segment_corrupt: the file is not the one that was sealed")
        if seal_hash(seal.path) in broken:
            lines.append(
                f"{seal.path}: segment_corrupt: the seal before it is missing, changed or followed by two"
            )
    return lines


def _file_damage(view: memoryview, *, closed: bool) -> list[str]:
    found = journal.scan(view)
    if found.header is None:
        return ["the header is damaged: nothing in it can be read"]
    lines = [f"bytes {start} to {end} are damaged" for start, end in found.damaged]
    if closed and not found.sealed:
        end = len(view) if found.torn_at is None else found.torn_at
        lines.append(f"it was sealed and now ends at byte {end}")
    if found.sealed and not found.damaged and _sealed_digest(view, found) != _digest(view, found):
        lines.append("its bytes are not those that were sealed")
    return lines


def _sealed_digest(view: memoryview, found: Scan) -> str:
    payload = view[found.blocks[-1].offset + journal.BLOCK_HEADER.size : found.blocks[-1].end]
    try:
        return str(json.loads(bytes(payload))["blake3"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""  # a block that closes a file and is no seal: no digest equals it


def _digest(view: memoryview, found: Scan) -> str:
    return journal.digest_of(view[: found.blocks[-1].offset]).hex()
