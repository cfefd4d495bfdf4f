"""Atomic writes: a reader finds the old file or the new one."""

import os
import stat
from pathlib import Path

import pytest

from veritape.kernel.files import write_atomically


def test_the_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    """OB-010: written to a temporary name, fsynced and renamed."""
    target = tmp_path / "deep" / "file"
    write_atomically(target, b"old")
    write_atomically(target, b"new", mode=0o400)
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o400
    assert [path.name for path in target.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_a_failure_leaves_the_old_file_and_no_litter(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OB-010: no reader sees half of a file when the disk refuses."""
    target = tmp_path / "file"
    write_atomically(target, b"old")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    owner: object = os if step == "fsync" else Path
    monkeypatch.setattr(owner, step, refuse)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
