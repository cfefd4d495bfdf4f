"""The disk and its failing twin."""

import errno
import os
from pathlib import Path

import pytest

from veritape.observer.adapters.storage import Disk, FailingDisk, is_full, sync_directory


def test_a_file_is_created_once_and_appended_to(tmp_path: Path) -> None:
    """OB-506: file creation syncs the directory; all bytes are written."""
    disk, path = Disk(), tmp_path / "a" / "b.vtj"
    descriptor = disk.create(path)
    disk.write(descriptor, b"one")
    disk.write(descriptor, b"two")
    disk.sync(descriptor)
    os.close(descriptor)
    assert path.read_bytes() == b"onetwo"
    with pytest.raises(FileExistsError):
        disk.create(path)
    sync_directory(tmp_path)


@pytest.mark.parametrize("call", ["write", "sync"])
def test_a_failing_disk_fails_by_the_same_rule_every_time(tmp_path: Path, call: str) -> None:
    """OB-854: ENOSPC, EIO and short writes are injected through the storage adapter by a seeded draw."""

    def outcomes(name: str) -> list[bool]:
        disk = FailingDisk({call: (errno.ENOSPC, 0.5)})
        descriptor = disk.create(tmp_path / name)
        failed = []
        for _ in range(50):
            try:
                disk.write(descriptor, b"1234")
                disk.sync(descriptor)
                failed.append(False)
            except OSError as error:
                failed.append(is_full(error))
        os.close(descriptor)
        return failed

    first = outcomes("one")
    assert first == outcomes("two")
    assert 5 < sum(first) < 45
    assert not is_full(OSError(errno.EIO, "x"))
