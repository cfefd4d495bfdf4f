"""The writer thread, recovery, and a disk that fails."""

import asyncio
import errno
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.tape import MIDNIGHT_NS
from tests.waiting import PATIENCE_S, until

from veritape.kernel.clock import Clock, ManualClock, SystemClock
from veritape.kernel.errors import UnavailableError
from veritape.observer import journal
from veritape.observer.adapters import journal_writer
from veritape.observer.adapters.journal_files import journal_paths, read_journal
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.journal_recovery import recover
from veritape.observer.adapters.journal_writer import RESERVE_NAME, Committed, JournalWriter
from veritape.observer.adapters.storage import Disk, FailingDisk, Storage
from veritape.observer.journal import Frame, Kind

OPEN_NS = MIDNIGHT_NS + 32_400 * 10**9
RESERVE = 1 << 20


def frame(number: int, at_s: float = 0, size: int = 100) -> Frame:
    return Frame(Kind.TEXT, 1, number, OPEN_NS + int(at_s * 10**9), number, b"x" * size)


class Writing:
    def __init__(
        self, tmp_path: Path, storage: Storage | None = None, clock: Clock | None = None, **options: int
    ) -> None:
        self.acknowledged: list[Frame] = []
        self.groups: list[Committed] = []
        self.folder = tmp_path / "journal" / "KRX"
        values = JournalOptions(self.folder, **{"reserve_bytes": RESERVE, **options})  # type: ignore[arg-type]
        self.writer = JournalWriter(values, self.take, clock or SystemClock(), storage)

    def take(self, committed: Committed) -> None:
        self.groups.append(committed)
        self.acknowledged += committed.frames

    def on_disk(self) -> list[Frame]:
        return [one for _, _, one in read_journal(self.folder)]


async def test_frames_are_acknowledged_in_order_and_found_in_a_sealed_file(tmp_path: Path) -> None:
    """OB-506, OB-507, OB-501: group commit, then a seal; mode 0444; the file is named by its time."""
    writing = Writing(tmp_path)
    frames = [frame(number) for number in range(1, 500)]
    for one in frames:
        writing.writer.append(one)
    await writing.writer.close()
    assert writing.acknowledged == frames == writing.on_disk()
    (path,) = journal_paths(writing.folder)
    assert (path.parent.name, path.name, path.stat().st_mode & 0o777) == ("20131007", "0900-0.vtj", 0o444)
    assert journal.scan(path.read_bytes()).sealed
    assert writing.writer.watermark.commits < 100
    assert {(group.day, group.file) for group in writing.groups} == {("20131007", "0900-0.vtj")}


async def test_a_full_queue_makes_the_reader_wait(tmp_path: Path) -> None:
    """OB-456: bounded in bytes; the loop stops reading, nothing is dropped."""
    writing = Writing(tmp_path, queue_bytes=1000)
    for number in range(1, 101):
        await writing.writer.room()
        writing.writer.append(frame(number))
        assert writing.writer.queued_bytes <= 1000 + 136
    await writing.writer.close()
    assert len(writing.on_disk()) == 100


async def test_the_frames_of_one_turn_are_one_group(tmp_path: Path) -> None:
    """OB-506: without a delay too, what arrived together is synced together; until the turn ends nothing is."""
    writing = Writing(tmp_path, commit_ms=0)
    for number in range(1, 51):
        writing.writer.append(frame(number))
    assert writing.writer.oldest_ns is not None
    assert writing.writer.queued_bytes == 50 * 136
    await writing.writer.close()
    assert [len(group.frames) for group in writing.groups] == [50]


class SlowDisk(Disk):
    """A disk whose first sync of data goes on until it is let go."""

    def __init__(self) -> None:
        self.syncing, self.let_go = threading.Event(), threading.Event()

    def sync(self, descriptor: int) -> None:
        self.syncing.set()
        assert self.let_go.wait(PATIENCE_S)
        super().sync(descriptor)


async def test_what_waited_for_a_sync_waits_for_nothing_else(tmp_path: Path) -> None:
    """OB-506: a group that came together while the one before was synced is as old as its first frame."""
    disk, clock = SlowDisk(), ManualClock()
    writing = Writing(tmp_path, disk, clock, commit_ms=60_000, commit_bytes=1000)
    writing.writer.append(frame(1, size=1000))
    await asyncio.to_thread(disk.syncing.wait, 10)
    writing.writer.append(frame(2))
    queued_ns = writing.writer.oldest_ns
    await asyncio.sleep(0)
    clock.advance_ns(60 * 10**9)
    disk.let_go.set()
    await until(lambda: len(writing.groups) >= 2)
    assert writing.groups[1].queued_ns == queued_ns
    await writing.writer.close()


@pytest.mark.parametrize("call", ["write", "sync"])
async def test_a_full_disk_commits_what_it_can_and_says_so(tmp_path: Path, call: str) -> None:
    """OB-510, OB-854: the reserve is released, the queue committed and sealed, one line with what is durable; nothing lost."""

    class FullOnce(FailingDisk):
        failed = False

        def _draw(self, name: str) -> int:
            if name == call and not FullOnce.failed and len(writing.acknowledged) >= 3:
                FullOnce.failed = True
                return errno.ENOSPC
            return 0

    writing = Writing(tmp_path, FullOnce({}), commit_ms=0)
    assert (writing.folder / RESERVE_NAME).stat().st_size == RESERVE
    number = 0
    async with asyncio.timeout(PATIENCE_S):
        while not writing.writer.failed.done():
            number += 1
            writing.writer.append(frame(number))
            await asyncio.sleep(0.002)
    error = writing.writer.failed.result()
    assert isinstance(error, UnavailableError)
    assert "No space left on device" in error.message
    assert "frames are durable" in error.message
    assert not (writing.folder / RESERVE_NAME).exists()
    await writing.writer.close()
    await asyncio.sleep(0)
    assert writing.acknowledged == writing.on_disk()
    assert len(writing.acknowledged) >= 4
    (path,) = journal_paths(writing.folder)
    assert journal.scan(path.read_bytes()).sealed


async def test_a_disk_that_stays_full_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """OB-510: when even the reserve does not help, the next start finds every acknowledged frame."""
    writing = Writing(tmp_path, FailingDisk({"write": (errno.ENOSPC, 0.3)}, seed=3), commit_ms=0)
    number = 0
    async with asyncio.timeout(PATIENCE_S):
        while not writing.writer.failed.done():
            number += 1
            writing.writer.append(frame(number))
            await asyncio.sleep(0.001)
    await writing.writer.close()
    await asyncio.sleep(0)
    recover(writing.folder, tmp_path / "quarantine")
    assert writing.on_disk()[: len(writing.acknowledged)] == writing.acknowledged


BROKEN = """
import asyncio, errno, sys
from pathlib import Path
from veritape.kernel.clock import Clock, ManualClock, SystemClock
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.journal_writer import JournalWriter
from veritape.observer.adapters.storage import FailingDisk
from veritape.observer.journal import Frame, Kind

async def main():
    options = JournalOptions(Path(sys.argv[1]), reserve_bytes=0)
    writer = JournalWriter(options, lambda committed: None, SystemClock(), FailingDisk({sys.argv[2]: (errno.EIO, 1.0)}))
    writer.append(Frame(Kind.TEXT, 1, 1, 10**18, 1, b"x"))
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("call", ["write", "sync"])
def test_an_input_output_error_ends_the_process_at_once(tmp_path: Path, call: str) -> None:
    """OB-511, OB-854: one line on stderr, exit 1: after a failed fsync nothing may be believed."""
    answer = subprocess.run(
        [sys.executable, "-c", BROKEN, str(tmp_path), call], capture_output=True, text=True, check=False, timeout=PATIENCE_S,
        env={"PYTHONPATH": "src"},
    )  # fmt: skip
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.count("\n") == 1
    assert "Input/output error" in answer.stderr


class FillingDisk(FailingDisk):
    """A disk that is full while it is told to be, and counts what it refuses."""

    def __init__(self) -> None:
        super().__init__({})
        self.is_full, self.refused = False, 0

    def _draw(self, name: str) -> int:
        is_refused = self.is_full and name == "write"
        self.refused += is_refused
        return errno.ENOSPC if is_refused else 0


async def test_an_idle_disk_is_probed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TL-720, OB-511: it is known when the disk last took a write, also without a frame; a full one is no end before a frame comes."""
    monkeypatch.setattr(journal_writer, "PROBE_SECONDS", 0.01)
    disk, clock = FillingDisk(), ManualClock()
    writing = Writing(tmp_path, disk, clock)
    clock.advance_ns(60 * 10**9)
    synced_ns = clock.monotonic_ns()
    async with asyncio.timeout(PATIENCE_S):
        await until(lambda: writing.writer.watermark.synced_ns == synced_ns)
        disk.is_full = True
        await until(lambda: disk.refused)
        clock.advance_ns(60 * 10**9)
        before = disk.refused
        await until(lambda: disk.refused >= before + 2)
    assert writing.writer.watermark.synced_ns == synced_ns
    disk.is_full = False
    writing.writer.append(frame(1))
    await writing.writer.close()
    assert (writing.on_disk(), writing.writer.failed.done()) == ([frame(1)], False)
    assert writing.writer.watermark.synced_ns == clock.monotonic_ns()


async def test_no_room_for_the_reserve_is_refused_at_the_start(tmp_path: Path) -> None:
    """OB-510: said before anything is recorded."""
    with pytest.raises(UnavailableError, match="no room for the reserve"):
        Writing(tmp_path, reserve_bytes=1 << 50)


BUGGY = BROKEN.replace("FailingDisk({sys.argv[2]: (errno.EIO, 1.0)})", "Buggy({})").replace(
    "async def main",
    "class Buggy(FailingDisk):\n    def write(self, descriptor, data):\n        raise KeyError('bug')\n\nasync def main",
)


def test_a_bug_in_the_writer_ends_the_process_too(tmp_path: Path) -> None:
    """OB-011: nothing is swallowed: a recorder without a writer would record nothing and not know it."""
    answer = subprocess.run(
        [sys.executable, "-c", BUGGY, str(tmp_path), "write"], capture_output=True, text=True, check=False, timeout=PATIENCE_S,
        env={"PYTHONPATH": "src"},
    )  # fmt: skip
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "KeyError in the writer thread" in answer.stderr


async def test_the_last_frame_of_a_day_seals_the_file_and_the_next_one_begins_another(tmp_path: Path) -> None:
    """OB-507, OB-751: so the evening's backup finds the whole day sealed while the process runs on."""
    writing = Writing(tmp_path)
    for number in range(1, 300):
        writing.writer.append(frame(number))
    writing.writer.append(frame(300), last=True)
    await until(lambda: len(writing.acknowledged) >= 300)
    (path,) = journal_paths(writing.folder)
    await until(lambda: path.stat().st_mode & 0o777 == 0o444)
    assert journal.scan(path.read_bytes()).sealed
    writing.writer.append(frame(301))
    await writing.writer.close()
    assert [one.name for one in journal_paths(writing.folder)] == ["0900-0.vtj", "0900-1.vtj"]
    assert writing.on_disk() == [frame(number) for number in range(1, 302)]


async def test_a_file_is_sealed_on_demand_whatever_waits(tmp_path: Path) -> None:
    """OB-507, OB-751: with frames in the queue, without any, and twice."""
    writing = Writing(tmp_path)
    for number in range(1, 100):
        writing.writer.append(frame(number))
    await writing.writer.seal()
    assert journal.scan(journal_paths(writing.folder)[0].read_bytes()).sealed
    await writing.writer.seal()
    writing.writer.append(frame(100))
    await writing.writer.seal()
    assert all(path.stat().st_mode & 0o777 == 0o444 for path in journal_paths(writing.folder))
    await writing.writer.close()
    assert writing.on_disk() == [frame(number) for number in range(1, 101)]
