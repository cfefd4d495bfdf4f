"""Folders that end with their process."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from veritape.executor.adapters import scratch
from veritape.executor.adapters.scratch import (
    PREFIX,
    remove_abandoned,
    remove_own,
    scratch_folder,
    temporary_folder,
)

HOLDS = """
import multiprocessing.util
from veritape.executor.adapters.scratch import keep_sockets_here, scratch_folder
(scratch_folder() / "file").touch()
keep_sockets_here()
print(scratch_folder(), multiprocessing.util.get_temp_dir(), flush=True)
input()
"""
"""A process that holds a folder until its input ends."""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a place for temporary files in which this process has no folder yet."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(scratch, "_MADE", [])
    yield tmp_path
    assert all(path.name.startswith(PREFIX) for path in tmp_path.iterdir())


def holder(root: Path) -> "tuple[subprocess.Popen[str], Path, Path]":
    """Start a process that holds a folder; return that and the one of its sockets."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS],
        env={**os.environ, "TMPDIR": str(root)},  # noqa: TID251 - another process
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    folder, sockets = process.stdout.readline().split()
    return process, Path(folder), Path(sockets)


def test_what_is_made_within_is_removed(root: Path) -> None:
    """EX-354: a job's folder lies in the process's and goes when the job ends, whatever it still holds."""
    with temporary_folder("job") as folder:
        (folder / "stop").touch()
        assert folder.parent == scratch_folder()
        assert folder.parent.parent == root
    assert list(scratch_folder().iterdir()) == []


def test_a_process_that_ends_leaves_nothing(root: Path) -> None:
    """EX-354: neither its own folder nor that of its workers' sockets."""
    process, folder, sockets = holder(root)
    assert sockets.parent == folder
    process.communicate("\n")
    assert process.returncode == 0
    assert list(root.iterdir()) == []


def test_the_next_process_removes_what_a_killed_one_left(root: Path) -> None:
    """EX-354: what nobody holds goes; what a living process holds stays, and so does what only has such a name."""
    dead, left, _ = holder(root)
    dead.send_signal(signal.SIGKILL)
    dead.communicate()
    alive, held, _ = holder(root)
    assert not left.exists()
    alive.send_signal(signal.SIGSTOP)  # who says nothing lives all the same
    (root / f"{PREFIX}link").symlink_to(held)
    (root / f"{PREFIX}file").touch()
    own = scratch_folder()
    remove_abandoned(root)
    assert (own.exists(), (held / "file").exists()) == (True, True)
    assert {path.name for path in root.iterdir()} == {own.name, held.name, f"{PREFIX}link", f"{PREFIX}file"}
    alive.send_signal(signal.SIGCONT)
    alive.communicate("\n")
    assert alive.returncode == 0


def test_a_forced_end_takes_the_folder_along(root: Path) -> None:
    """EX-633: who ends at once removes what the usual end would; without a folder there is nothing to do."""
    remove_own()
    (scratch_folder() / "job").mkdir()
    remove_own()
    assert list(root.iterdir()) == []


def test_a_folder_that_was_deleted_is_made_anew(root: Path) -> None:
    """EX-354: somebody cleaned up the temporary files: the next job has a folder again."""
    shutil.rmtree(scratch_folder())
    with temporary_folder("job") as folder:
        assert folder.is_dir()
    assert len(list(root.iterdir())) == 1


def test_a_new_folder_that_another_process_takes_for_abandoned_is_left_to_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EX-354: between making and locking it may be locked or gone: another one is made."""
    real, made, held = tempfile.mkdtemp, [], []

    def disturbed(**options: str) -> str:
        folder = real(**options)
        made.append(folder)
        if len(made) == 1:
            shutil.rmtree(folder)
        if len(made) == 2:
            held.append(os.open(folder, os.O_DIRECTORY))
            fcntl.flock(held[0], fcntl.LOCK_EX)
        return folder

    monkeypatch.setattr(tempfile, "mkdtemp", disturbed)
    assert scratch_folder() == Path(made[2])
    assert Path(made[2]).parent == root
    os.close(held[0])
