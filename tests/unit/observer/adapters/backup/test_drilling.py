"""Drills that pass, and drills that must not."""

import shutil
from pathlib import Path

import pytest
from tests.backup_world import DAMAGES, World, world
from tests.recorded_day import record_day

from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.observer.adapters.backup.targets import FolderTarget
from veritape.observer.manifests import FileEntry


@pytest.fixture
def one(tmp_path: Path) -> World:
    made = world(tmp_path)
    made.backup()
    return made


def test_a_sound_backup_passes(one: World) -> None:
    """OB-762: files, hashes, seals, the audit of the restored files, the manifest, the live recording; no trace is left."""
    for day, files in ((None, 7), ("20131007", 6)):
        proven = one.drill(day)
        assert (proven.differences, proven.files, proven.lines, proven.passed) == ((), files, 2, True)
    assert one.drill(live=False).passed
    shutil.rmtree(one.data / "journal")
    assert one.drill().passed, "what the retention deleted is not compared"


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_is_found_with_its_own_reason(one: World, damage: str) -> None:
    """OB-763, OB-1024: one byte, one object, two manifests, the chain, one trade under right hashes."""
    spoil, reason = DAMAGES[damage]
    spoil(one)
    assert one.reasons(live=False) == [reason]
    assert one.reasons() == [reason]


def test_the_altered_trade_is_named(one: World) -> None:
    """OB-763: the code, what its segments hold and what its ledger says."""
    one.alter_trade()
    details = [difference.detail for difference in one.drill(live=False).differences]
    begins = (
        "990001: the manifest has complete",
        "990001: the segments hold 68 trades",
        "990001: 09.parquet: the rows",
    )
    assert all(detail.startswith(begin) for detail, begin in zip(details, begins, strict=True))
    assert "the restored recording contradicted" in details[0], "the second ledger objects"


def test_a_seal_that_does_not_fit_is_found(one: World) -> None:
    """OB-762: the chain of seals: a changed last seal, a missing one before, a segment under an old seal."""
    name, manifest = one.latest()
    one.forge(name, manifest.model_copy(update={"last_seal": "0" * 64}))
    assert one.reasons() == ["seal_broken"]
    without = tuple(entry for entry in manifest.files if "day=20131007" not in entry.path)
    one.forge(name, manifest.model_copy(update={"files": without}))
    assert one.reasons() == ["seal_broken"]
    segment = one.entry("09.parquet")
    swapped = tuple(
        FileEntry(path=entry.path, bytes=segment.bytes, blake3=segment.blake3)
        if entry.path.endswith(".vtj")
        else entry
        for entry in manifest.files
    )
    one.forge(name, manifest.model_copy(update={"files": swapped}))
    assert one.reasons()[:2] == ["seal_broken", "audit_differs"]


def test_figures_that_were_never_recorded_are_found(one: World) -> None:
    """OB-763: the manifest's figures are held against the restored files and the live recording."""
    name, manifest = one.latest()
    lines = {code: line.model_copy(update={"status": "residual"}) for code, line in manifest.lines.items()}
    one.forge(name, manifest.model_copy(update={"lines": lines}))
    assert [one.detail[:27] for one in one.drill().differences] == [
        "990001: the manifest has re", "990002: the manifest has re",
    ]  # fmt: skip


def test_a_day_that_was_cut_short_is_proven_too(tmp_path: Path) -> None:
    """OB-762: trades that wait for their segment are counted from the journal."""
    made = world(tmp_path, days=0)
    record_day(made.data, "20131007", seal=False)
    made.backup()
    assert made.drill().passed


def test_what_cannot_be_drilled(one: World, tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="no backup of day"):
        one.drill("20131231")
    (tmp_path / "plain").write_bytes(b"")
    one.target = FolderTarget(tmp_path / "plain")
    with pytest.raises(UnavailableError):
        one.drill()
