"""A day back from a target."""

from pathlib import Path

import pytest
from tests.backup_world import World, world

from veritape.kernel.errors import CheckFailedError, MisuseError
from veritape.observer.adapters.backup.restoring import chosen, matching, require_empty, restore
from veritape.observer.manifests import BackupReason


@pytest.fixture
def one(tmp_path: Path) -> World:
    made = world(tmp_path)
    made.backup()
    return made


def quiet(_what: str, _size: int) -> None:
    """Say nothing."""


def test_a_restored_day_is_the_recorded_one(one: World, tmp_path: Path) -> None:
    """OB-761, OB-931: equal by bytes; sealed files are read-only again."""
    written, chain = chosen(one.target, "20131007")
    assert (written.name, len(chain.written)) == ("20131007-1", 2)
    restore(one.target, matching(written, None), tmp_path / "back", quiet)
    for entry in written.manifest.files:
        path = tmp_path / "back" / entry.path
        assert path.read_bytes() == (one.data / entry.path).read_bytes()
        assert path.stat().st_mode & 0o777 == 0o444
    assert len([path for path in (tmp_path / "back").rglob("*") if path.is_file()]) == len(
        written.manifest.files
    )
    assert chosen(one.target, None)[0].name == "20131008-1"


def test_only_what_matches(one: World) -> None:
    """OB-971: --only GLOB."""
    written, _ = chosen(one.target, None)
    paths = [entry.path for entry in matching(written, "*/day=20131008/*.parquet")]
    assert paths == ["trades/venue=KRX/day=20131008/09.parquet"]


def test_the_folder_must_be_empty(tmp_path: Path) -> None:
    """OB-761: empty or absent, else exit 2."""
    require_empty(tmp_path / "absent")
    require_empty(tmp_path)
    (tmp_path / "file").write_bytes(b"")
    for full in (tmp_path, tmp_path / "file"):
        with pytest.raises(MisuseError, match="is not empty") as caught:
            require_empty(full)
        assert caught.value.exit_code == 2


def test_a_day_that_is_not_there_is_named(one: World, tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="there are 20131007, 20131008"):
        chosen(one.target, "20131009")
    with pytest.raises(MisuseError, match="no backup lies here"):
        chosen(world(tmp_path / "other", days=0).target, None)


@pytest.mark.parametrize(
    ("damage", "reason"), [("damage", BackupReason.OBJECT_CORRUPT), ("remove", BackupReason.OBJECT_MISSING)]
)
def test_a_file_is_right_or_not_written(
    one: World, tmp_path: Path, damage: str, reason: BackupReason
) -> None:
    """OB-761: hashes are checked while writing; else exit 1."""
    getattr(one, damage)("09.parquet")
    written, _ = chosen(one.target, None)
    with pytest.raises(CheckFailedError) as caught:
        restore(one.target, matching(written, "*.parquet"), tmp_path / "back", quiet)
    assert (caught.value.reason, caught.value.exit_code) == (reason, 1)
    assert [path for path in (tmp_path / "back").rglob("*") if path.is_file()] == []


def test_a_longer_object_is_not_the_one(one: World, tmp_path: Path) -> None:
    name = f"objects/{(digest := one.entry('09.parquet').blake3)[:2]}/{digest}"
    one.target.write(name, one.read(name) + b"more", replace=True)
    with pytest.raises(CheckFailedError):
        restore(one.target, matching(chosen(one.target, None)[0], None), tmp_path / "back", quiet)
