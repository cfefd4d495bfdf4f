"""Restore a day into an empty folder and prove it again from what came back (OB-762)."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from veritape.kernel.errors import CheckFailedError, VeritapeError
from veritape.observer.adapters.backup.objects import Told
from veritape.observer.adapters.backup.restoring import chosen, restore_file
from veritape.observer.adapters.backup.source import Source
from veritape.observer.adapters.backup.targets import Target
from veritape.observer.adapters.integrity import journal_damage, segment_damage
from veritape.observer.adapters.segment_files import SegmentStore
from veritape.observer.drill import Difference, Proven, compare, compare_sealed
from veritape.observer.manifests import BackupReason, Manifest, Written


def drill(target: Target, day: str | None, live: Source | None, scratch: Path | None, told: Told) -> Proven:
    """Restore the day's last manifest, prove it, delete what was restored.

    Args:
        target: the backup.
        day: which day; the newest manifest's without one.
        live: the recording, for comparison; None on a machine that has only the backup.
        scratch: where the temporary folder is made; the system's place without one.
        told: told how far it is.

    Raises:
        MisuseError: nothing of this day lies there.
        UnavailableError: the target is away.
    """
    try:
        written, _ = chosen(target, day)
    except VeritapeError as error:
        if not isinstance(error.reason, BackupReason):
            raise
        return Proven(target.url, "", day or "", 0, 0, 0, (Difference(error.reason, error.message),))
    with tempfile.TemporaryDirectory(prefix="veritape-drill-", dir=scratch) as name:
        folder = Path(name)
        differences = list(_restored(target, written, folder, told))
        if not differences:
            differences = list(_proven(written.manifest, folder, live))
    entries = written.manifest.files
    size = sum(entry.bytes for entry in entries)
    lines = len(written.manifest.lines)
    return Proven(
        target.url, written.name, written.manifest.day, len(entries), size, lines, tuple(differences)
    )


def _restored(target: Target, written: Written, folder: Path, told: Told) -> Iterator[Difference]:
    """Restore every file that can be; yield what cannot."""
    for entry in written.manifest.files:
        path = folder / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            restore_file(target, entry, path)
        except VeritapeError as error:
            if not isinstance(error.reason, BackupReason):
                raise
            yield Difference(error.reason, error.message)
        told("restored", entry.bytes)


def _proven(manifest: Manifest, folder: Path, live: Source | None) -> Iterator[Difference]:
    restored = Source(folder, manifest.venue)
    store = restored.segments()
    damage = [
        *journal_damage(folder / "journal" / manifest.venue / manifest.day),
        *segment_damage(store, manifest.day),
    ]
    yield from (Difference(BackupReason.SEAL_BROKEN, line.replace(f"{folder}/", "")) for line in damage)
    if restored.last_seal(manifest.day) != manifest.last_seal:
        yield Difference(
            BackupReason.SEAL_BROKEN, "the day's last seal is not the one that the manifest names"
        )
    proof = restored.proof(manifest.day)
    found = proof.lines()
    yield from compare(manifest.lines, found, "the manifest", "the restored recording")
    yield from compare_sealed(proof.sealed(), found)
    yield from _queried(store, manifest.day)
    if live is not None and live.has_journal(manifest.day, manifest):
        yield from compare(live.figures(manifest.day), found, "the live recording", "the restored one")


def _queried(store: SegmentStore, day: str) -> Iterator[Difference]:
    """Read one code's day as a computation does, with the digest of its rows (OB-556)."""
    codes = sorted({code for seal in store.seals(day) for code in seal.document["lines"]})
    for seal in store.seals(day):
        try:
            if codes and codes[0] in seal.document["lines"]:
                store.tape(seal, codes[0])
        except CheckFailedError as error:
            yield Difference(
                BackupReason.AUDIT_DIFFERS,
                f"{codes[0]}: {seal.path.name}: {error.message.partition(': ')[2]}",
            )
