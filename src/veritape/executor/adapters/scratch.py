"""One folder of this process for what lives no longer than it: stop files of jobs, sockets of workers, a guest that is compiled.

It lies among the temporary files, is locked as long as the process lives and removed when it ends. A process that was killed removes
nothing, but its lock is gone: the next one that needs such a folder removes those that nobody holds. The lock is on the folder itself,
where systemd-tmpfiles looks for one too before it deletes what is old.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import util
from pathlib import Path
from typing import Final

PREFIX: Final = "veritape-scratch-"
"""Of the folders' names."""

LAST: Final = -200
"""Priority of the removal at the end of the process: after all that multiprocessing removes itself (its lowest is -100)."""

_LOCK = threading.Lock()
"""One thread makes the folder."""

_MADE: list[Path] = []
"""The folder of this process; more than one where somebody deleted it."""


@contextmanager
def temporary_folder(name: str) -> Iterator[Path]:
    """Give a new folder within this process's, whose name begins so; it is removed afterwards."""
    with tempfile.TemporaryDirectory(
        prefix=f"{name}-", dir=scratch_folder(), ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def scratch_folder() -> Path:
    """Return this process's folder; the first call removes those of processes that were killed."""
    with _LOCK:
        if not _MADE or not _MADE[-1].is_dir():
            root = Path(tempfile.gettempdir())
            remove_abandoned(root)
            folder, descriptor = _new(root)
            util.Finalize(None, _end, (folder, descriptor), exitpriority=LAST)
            _MADE.append(folder)
        return _MADE[-1]


def keep_sockets_here() -> None:
    """Have the folder that multiprocessing makes for its sockets within ours: its own would stay where the process is killed."""
    folder = str(scratch_folder())
    with _LOCK:
        before, tempfile.tempdir = tempfile.tempdir, folder
        try:
            util.get_temp_dir()
        finally:
            tempfile.tempdir = before


def remove_own() -> None:
    """Remove this process's folder now: it ends without the usual end."""
    for folder in _MADE:
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(root: Path) -> None:
    """Remove the folders of this user below ``root`` that no process holds."""
    for folder in root.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(descriptor).st_uid == os.getuid():
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)


def _new(root: Path) -> tuple[Path, int]:
    """Make and lock a folder; one that another process took for abandoned before it was locked is left to it."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_DIRECTORY)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if folder.exists():
                    return folder, descriptor
            os.close(descriptor)


def _end(folder: Path, descriptor: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(descriptor)
