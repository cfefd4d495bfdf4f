"""The outbox on disk: durable, locked, followed by the next file, and sound after every failure."""

import errno
import fcntl
import os
from pathlib import Path

import pytest
from tests.usage import BOOT, charges

from veritape.gateway.adapters.outbox import Outbox
from veritape.gateway.outbox import HEADER_BYTES, End, read_groups, read_header
from veritape.gateway.usage import UsageEvent
from veritape.kernel.errors import UnavailableError


def events_in(path: Path) -> list[UsageEvent]:
    octets = path.read_bytes()
    assert read_header(octets) == BOOT
    found = read_groups(octets[HEADER_BYTES:], BOOT)
    assert found.end is End.CLEAN
    return [event for group in found.groups for event in group]


def is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def test_a_boot_has_its_file_and_its_lock(tmp_path: Path) -> None:
    """GW-663: the file is there, private and locked from the start; it is synced before ``write`` returns."""
    outbox = Outbox(tmp_path / "outbox", BOOT)
    path = tmp_path / "outbox" / "3132333435363738.vtu"
    assert path.stat().st_mode & 0o777 == 0o600
    assert is_locked(path)
    outbox.write(charges(3))
    outbox.write(charges(1, first=4))
    assert events_in(path) == charges(4)
    outbox.close()
    assert not is_locked(path)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_every_commit_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-661: every byte, of the header too, goes through a descriptor whose writes return when the disk has them."""
    path, synced, write = tmp_path / "3132333435363738.vtu", list[tuple[bool, int]](), os.pwrite

    def watched(file: int, octets: bytes, offset: int) -> int:
        written = write(file, octets, offset)
        flags = fcntl.fcntl(file, fcntl.F_GETFL)
        synced.append((flags & os.O_DSYNC == os.O_DSYNC, os.fstat(file).st_size))
        return written

    monkeypatch.setattr(os, "pwrite", watched)
    outbox = Outbox(tmp_path, BOOT)
    outbox.write(charges(2))
    assert synced == [(True, HEADER_BYTES), (True, path.stat().st_size)]
    outbox.close()


def test_what_the_kernel_takes_in_pieces_is_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GW-663: a write may take less than it was given."""
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, octets, offset: write(file, octets[:7], offset))
    outbox = Outbox(tmp_path, BOOT)
    for first in (1, 3):
        outbox.write(charges(2, first=first))
    assert events_in(tmp_path / "3132333435363738.vtu") == charges(4)
    outbox.close()


def test_a_full_file_is_followed_by_the_next(tmp_path: Path) -> None:
    """GW-663: at its limit a file is let go, and the next one is locked before."""
    outbox = Outbox(tmp_path, BOOT, limit_bytes=300)
    for number in range(1, 6):
        outbox.write(charges(1, first=number))
    paths = sorted(tmp_path.iterdir(), key=lambda path: len(path.name))
    assert len(paths) > 2
    assert [event for path in paths for event in events_in(path)] == charges(5)
    assert [is_locked(path) for path in paths] == [False] * (len(paths) - 1) + [True]
    outbox.close()


@pytest.mark.parametrize("taken", [20, 1_000], ids=["full disk", "failed sync"])
def test_a_commit_that_fails_is_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    """GW-665: a full disk or an I/O error refuses the group and cuts it off; the lock stays; then a new file goes on."""
    outbox, write = Outbox(tmp_path, BOOT), os.pwrite
    first, following = tmp_path / "3132333435363738.vtu", tmp_path / "3132333435363738-1.vtu"
    outbox.write(charges(1))
    before = first.stat().st_size

    def part(file: int, octets: bytes, offset: int) -> int:
        written = write(file, octets[:taken], offset)
        if offset > before or written == len(octets):
            raise OSError(errno.EIO, "Input/output error")
        return written

    with monkeypatch.context() as fault:
        fault.setattr(os, "pwrite", part)
        with pytest.raises(UnavailableError, match="cannot be written: Input"):
            outbox.write(charges(1, first=2))
    assert first.stat().st_size == before
    assert events_in(first) == charges(1)
    assert is_locked(first)
    outbox.probe()
    assert (is_locked(first), is_locked(following)) == (False, True)
    outbox.write(charges(1, first=3))
    assert events_in(following) == charges(1, first=3)
    outbox.close()


def test_a_folder_that_cannot_be_written_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GW-665: neither the first nor a following file can be made; no half-made file stays."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UnavailableError, match="cannot be written"):
        Outbox(tmp_path / "file", BOOT)
    outbox = Outbox(tmp_path / "outbox", BOOT, limit_bytes=1)

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as fault:
        fault.setattr(os, "pwrite", refuse)
        for _ in range(2):
            with pytest.raises(UnavailableError, match="No space"):
                outbox.write(charges(1))
    assert [path.name for path in (tmp_path / "outbox").iterdir()] == ["3132333435363738.vtu"]
    outbox.write(charges(1))
    assert events_in(tmp_path / "outbox" / "3132333435363738-1.vtu") == charges(1)
    outbox.close()
