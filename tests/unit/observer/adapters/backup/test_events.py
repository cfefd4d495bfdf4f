"""What is told of backups and drills."""

from pathlib import Path

from tests.backup_world import world

from veritape.observer.adapters.backup.events import backup_entries, backup_rows, drill_entry
from veritape.observer.adapters.backup.records import Records
from veritape.observer.adapters.backup.sending import How
from veritape.observer.drill import Difference, Proven
from veritape.observer.manifests import BackupReason


def test_every_manifest_has_its_record_and_its_row(tmp_path: Path) -> None:
    """OB-561: target, manifest, day, files, bytes, hash, and whether every object was read back."""
    one = world(tmp_path)
    sent = one.backup(how=How("0.1.0", "sample:1"))
    entries = backup_entries("observer", one.target.url, sent)
    assert [entry.subject for entry in entries] == ["manifest:20131007-1", "manifest:20131008-1"]
    assert entries[0].detail["blake3"] == sent[0].manifest_blake3
    assert [row["verified"] for row in backup_rows(Records(one.data))] == [0, 0]
    one.backup()
    (row, _) = backup_rows(Records(one.data))
    assert (row["manifest"], row["files"], row["bytes"], row["verified"]) == (
        "20131007-1",
        6,
        sent[0].bytes,
        1,
    )


def test_a_drill_has_its_record() -> None:
    wrong = Difference(BackupReason.CHAIN_BROKEN, "gone")
    entry = drill_entry("cli:me", Proven("file:///b", "", "20131007", 0, 0, 0, (wrong, wrong)))
    assert (entry.subject, entry.detail["reasons"], entry.detail["passed"]) == (
        "manifest:-",
        "chain_broken",
        False,
    )
