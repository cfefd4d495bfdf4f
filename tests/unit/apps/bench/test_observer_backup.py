"""Hashing, backup and drill as rows."""

from pathlib import Path

import pytest

from veritape.apps.bench import observer_backup, observer_tape
from veritape.apps.bench.observer_backup import backups
from veritape.apps.bench.results import Size


def test_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """OB-764, OB-1042: gigabytes hashed a second; the bundled day backed up, drilled and found right, beside a plain copy."""
    few = observer_tape.frames()[:500]
    monkeypatch.setattr(observer_tape, "frames", lambda: few)
    monkeypatch.setattr(observer_backup, "HASHED_BYTES", 1 << 20)
    hashing, both = backups(Size(2, 1, quick=True))
    assert (hashing.name, hashing.unit, hashing.target, len(hashing.values)) == (
        "backup_hashing",
        "GB/s",
        1,
        2,
    )
    assert (both.name, both.better, both.target, both.goal) == ("backup_and_drill_seconds", "lower", 10, 4)
    assert len(both.peer_values) == 2
    assert all(value > 0 for value in (*hashing.values, *both.values))


def test_a_drill_that_fails_is_no_figure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """OB-762: a backup that proves nothing is not measured."""
    monkeypatch.setattr(observer_tape, "frames", lambda: ())
    monkeypatch.setattr(observer_backup, "HASHED_BYTES", 1)
    monkeypatch.setattr(observer_backup, "recorded", lambda data: tmp_path / data.name)
    (tmp_path / "data").mkdir()
    with pytest.raises(Exception, match="no backup lies here"):
        list(backups(Size(1, 1, quick=True)))
