"""Bring a day back from a target, checking every byte while it is written (OB-761)."""

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from blake3 import blake3

from veritape.kernel.errors import CheckFailedError, MisuseError
from veritape.kernel.files import sync_directory
from veritape.observer.adapters.backup.chain import Chain, read_chain
from veritape.observer.adapters.backup.objects import Told
from veritape.observer.adapters.backup.source import CONTROL
from veritape.observer.adapters.backup.targets import Target
from veritape.observer.manifests import BackupReason, FileEntry, Written, object_name

SEALED_MODE, WRITABLE_MODE = 0o444, 0o644
"""Permission bits of what is restored, and of the control state."""


def chosen(target: Target, day: str | None) -> tuple[Written, Chain]:
    """Return the last manifest of a day, or the newest one, after the whole chain was checked.

    Raises:
        MisuseError: the target holds no backup, or not of this day.
        CheckFailedError: ``chain_broken``.
        PeerError: ``bad_manifest``, ``bad_path``.
        UnavailableError: the target is away.
    """
    chain = read_chain(target)
    if not chain.written:
        raise MisuseError(f"{target.url}: no backup lies here: give what veritape backup --to was given")
    found = chain.written[0] if day is None else chain.newest(day)
    if found is None:
        days = sorted({one.manifest.day for one in chain.written})
        raise MisuseError(f"{target.url}: no backup of day {day}: there are {', '.join(days)}")
    return found, chain


def require_empty(folder: Path) -> None:
    """Refuse a folder that holds anything.

    Raises:
        MisuseError: it does, or it is a file.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise MisuseError(f"restore: {folder} is not empty: give a folder that is empty or does not exist")


def matching(written: Written, pattern: str | None) -> list[FileEntry]:
    """Return the files of a manifest whose path matches a pattern, all without one."""
    return [entry for entry in written.manifest.files if pattern is None or fnmatchcase(entry.path, pattern)]


def restore(target: Target, entries: Iterable[FileEntry], folder: Path, told: Told) -> None:
    """Write files below a folder.

    Raises:
        CheckFailedError: ``object_missing``, ``object_corrupt``.
        UnavailableError: the target is away.
    """
    folders = set()
    for entry in entries:
        path = folder / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        restore_file(target, entry, path)
        folders.add(path.parent)
        told("restored", entry.bytes)
    for one in sorted(folders):
        sync_directory(one)


def restore_file(target: Target, entry: FileEntry, path: Path) -> None:
    """Write one file whose hash is right, or none at all.

    Raises:
        CheckFailedError: ``object_missing``, ``object_corrupt``.
    """
    name = object_name(entry.blake3)
    if target.size(name) is None:
        raise CheckFailedError(
            f"{entry.path}: its object is not at {target.url}", BackupReason.OBJECT_MISSING
        )
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        if _write(target, name, entry.bytes, temporary) != (entry.blake3, entry.bytes):
            raise CheckFailedError(
                f"{entry.path}: its object at {target.url} is not what was sent", BackupReason.OBJECT_CORRUPT
            )
        temporary.chmod(WRITABLE_MODE if entry.path == CONTROL else SEALED_MODE)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def _write(target: Target, name: str, size: int, path: Path) -> tuple[str, int]:
    """Copy an object; return the hash and the size of what came."""
    hasher, came = blake3(max_threads=blake3.AUTO), 0
    with path.open("xb") as file:
        for chunk in target.chunks(name, size):
            hasher.update(chunk)
            came += len(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return hasher.hexdigest(), came
