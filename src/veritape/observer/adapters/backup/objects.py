"""Objects at a target: sent when they are not there, read back, and hashed (OB-753, OB-756)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from veritape.kernel.errors import CheckFailedError
from veritape.observer.adapters.backup.targets import Target
from veritape.observer.backup import to_read_back
from veritape.observer.manifests import BackupReason, object_name

Told = Callable[[str, int], None]
"""Told what was done, and to how many bytes."""


@dataclass(frozen=True)
class Wanted:
    """One object that a manifest needs."""

    digest: str
    """Its name and hash."""
    size: int
    """Bytes."""
    path: Path | None
    """The local file that holds it; None when the retention has deleted it here."""


class ReadBack(NamedTuple):
    """What reading back gave."""

    verified: set[str]
    """The objects that have their hash."""
    again: list[Wanted]
    """Those that had to be sent once more."""


def send_missing(target: Target, wanted: Mapping[str, Wanted], told: Told) -> list[Wanted]:
    """Send the objects that are not at the target; return them.

    Raises:
        CheckFailedError: ``object_missing``: neither there nor here.
        UnavailableError: the target refuses.
    """
    sent = []
    for one in wanted.values():
        if target.size(object_name(one.digest)) is not None:
            continue
        if one.path is None:
            raise CheckFailedError(
                f"{target.url}: object {one.digest[:12]} is missing, and the file is deleted here: restore it from another"
                " target",
                BackupReason.OBJECT_MISSING,
            )
        target.send(object_name(one.digest), one.path)
        told("sent", one.size)
        sent.append(one)
    return sent


def read_back(target: Target, wanted: Mapping[str, Wanted], verify: str, salt: str, told: Told) -> ReadBack:
    """Read objects back and hash them; what differs is sent once more.

    Raises:
        CheckFailedError: ``backup_corrupt``: it differs again; ``object_corrupt``: it differs and the file is deleted here.
        UnavailableError: the target refuses.
    """
    drawn = to_read_back(list(wanted), verify, salt)
    again = []
    for digest in drawn:
        one = wanted[digest]
        if not is_sound(target, one):
            _send_again(target, one)
            again.append(one)
        told("read back", one.size)
    return ReadBack(set(drawn), again)


def is_sound(target: Target, one: Wanted) -> bool:
    """Tell whether an object is at the target with its size and hash."""
    name = object_name(one.digest)
    if target.size(name) != one.size:
        return False
    hasher = blake3(max_threads=blake3.AUTO)
    for chunk in target.chunks(name, one.size):
        hasher.update(chunk)
    return hasher.hexdigest() == one.digest


def _send_again(target: Target, one: Wanted) -> None:
    if one.path is None:
        raise CheckFailedError(
            f"{target.url}: object {one.digest[:12]} is damaged, and the file is deleted here",
            BackupReason.OBJECT_CORRUPT,
        )
    target.send(object_name(one.digest), one.path, replace=True)
    if not is_sound(target, one):
        raise CheckFailedError(
            f"{target.url}: {one.path.name} reads back differently, twice: check that store",
            BackupReason.BACKUP_CORRUPT,
        )
