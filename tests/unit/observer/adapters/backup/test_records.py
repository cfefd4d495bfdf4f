"""What this machine knows of its backups."""

from pathlib import Path

import pytest
from tests.unit.observer.test_manifests import written

from veritape.kernel.errors import UnavailableError
from veritape.observer.adapters.backup.records import Records, State


def test_only_what_was_read_back_is_proven(tmp_path: Path) -> None:
    """OB-732: a manifest is kept with the objects of it that were read back, for each target apart."""
    records, one = Records(tmp_path), written()
    (digest,) = one.manifest.digests()
    records.wrote("file:///a", one, {digest, "0" * 64})
    records.wrote("file:///b", one, set())
    assert (records.verified("file:///a"), records.verified("file:///b")) == ({digest}, set())
    assert [(receipt.target, receipt.verified) for receipt, _ in records.proven()] == [
        ("file:///a", (digest,)), ("file:///b", ()),
    ]  # fmt: skip
    assert records.manifest("file:///a", one.link) == one.content
    assert records.manifest("file:///c", one.link) is None


@pytest.mark.parametrize("name", ["20131007-1.json", "20131007-1.receipt.json"])
def test_a_damaged_receipt_proves_nothing(tmp_path: Path, name: str) -> None:
    """OB-732: then nothing is deleted."""
    records, one = Records(tmp_path), written()
    records.wrote("file:///a", one, set(one.manifest.digests()))
    (path,) = tmp_path.rglob(name)
    path.write_bytes(path.read_bytes()[:-1])
    assert (records.verified("file:///a"), records.proven()) == (set(), [])
    assert (records.manifest("file:///a", one.link) is None) == (name == "20131007-1.json")
    path.unlink()
    assert records.proven() == []


def test_the_state_survives_and_a_damaged_one_is_none(tmp_path: Path) -> None:
    records = Records(tmp_path)
    assert records.state() == State()
    records.change(backup_ns=5)
    assert records.change(drill_ns=6) == State(backup_ns=5, drill_ns=6)
    assert Records(tmp_path).state() == State(backup_ns=5, drill_ns=6)
    assert [State(drill_failed_ns=1).failing, State(backup_failures=1).failing, State().failing] == [
        True,
        True,
        False,
    ]
    (tmp_path / "backup" / "state.json").write_bytes(b"{")
    assert records.state() == State()


def test_one_at_a_time(tmp_path: Path) -> None:
    with (
        Records(tmp_path).alone(),
        pytest.raises(UnavailableError, match="wait for it"),
        Records(tmp_path).alone(),
    ):
        pass
    with Records(tmp_path).alone():
        pass
