"""A disk that fills up: at every single call of the writer, and for real."""

import asyncio
import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.tape import MIDNIGHT_NS
from tests.waiting import PATIENCE_S, until

from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import UnavailableError
from veritape.observer import journal
from veritape.observer.adapters.journal_files import journal_paths, read_journal
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.journal_recovery import recover
from veritape.observer.adapters.journal_writer import RESERVE_NAME, JournalWriter
from veritape.observer.adapters.storage import Disk, Storage
from veritape.observer.journal import Frame, Kind

OPEN_NS = MIDNIGHT_NS + 32_400 * 10**9
FRAMES = 6
CALLS = 11
"""Writes of a run without a fault: two file headers, six blocks, two seals, and one more that never comes."""


def frame(number: int, at_s: int = 0, size: int = 100) -> Frame:
    stamp = OPEN_NS + at_s * 10**9
    return Frame(Kind.TEXT, 3, number, stamp, number, number.to_bytes(2, "little") * (size // 2))


class FullAt(Disk):
    """Full at the n-th call of a kind, and ``times`` calls of that kind from there."""

    def __init__(self, call: str, number: int, times: int) -> None:
        self._failing = {(call, n) for n in range(number, number + times)}
        self._calls = {"write": 0, "sync": 0}
        self.hit = False

    def write(self, descriptor: int, data: bytes) -> None:
        if self._fails("write"):
            super().write(descriptor, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        if self._fails("sync"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().sync(descriptor)

    def _fails(self, call: str) -> bool:
        self._calls[call] += 1
        self.hit |= (call, self._calls[call]) in self._failing
        return (call, self._calls[call]) in self._failing


class Run:
    """Six frames, three in each of two hours, each committed alone while the disk lasts."""

    def __init__(self, folder: Path, storage: Storage, reserve_bytes: int = 1 << 12) -> None:
        self.folder, self.sent, self.acknowledged = folder, list[Frame](), list[Frame]()
        options = JournalOptions(folder, commit_ms=0, reserve_bytes=reserve_bytes, zstd_level=0)
        self.writer = JournalWriter(
            options, lambda committed: self.acknowledged.extend(committed.frames), SystemClock(), storage
        )

    async def send(self, one: Frame) -> bool:
        self.sent.append(one)
        self.writer.append(one)
        await until(lambda: len(self.acknowledged) == len(self.sent) or self.writer.failed.done())
        return not self.writer.failed.done()

    def on_disk(self) -> list[Frame]:
        return [one for _, _, one in read_journal(self.folder)]

    def all_sealed(self) -> bool:
        return all(journal.scan(path.read_bytes()).sealed for path in journal_paths(self.folder))


async def run(folder: Path, storage: FullAt) -> Run:
    running = Run(folder, storage)
    for number in range(1, FRAMES + 1):
        if not await running.send(frame(number, 0 if number <= FRAMES // 2 else 3600)) or storage.hit:
            break
    await running.writer.close()
    await asyncio.sleep(0)
    return running


@pytest.mark.parametrize("number", range(1, CALLS + 1))
@pytest.mark.parametrize("call", ["write", "sync"])
async def test_a_disk_that_is_full_once_loses_nothing_and_seals_everything(
    tmp_path: Path, call: str, number: int
) -> None:
    """OB-510, OB-854, OB-507: at whichever call, the reserve makes room for the frame that did not fit and for the seal."""
    running = await run(tmp_path / "KRX", FullAt(call, number, 1))
    failed = running.writer.failed.done()
    assert failed == (number <= (10 if call == "write" else 8))
    assert running.on_disk() == running.acknowledged == running.sent
    assert running.all_sealed()
    assert (running.folder / RESERVE_NAME).exists() != failed
    digests = [journal.digest_of(path.read_bytes())[:16] for path in journal_paths(running.folder)]
    headers = [journal.decode_file_header(path.read_bytes()) for path in journal_paths(running.folder)]
    assert [one.previous for one in headers] == [bytes(16), *digests[:-1]]


@pytest.mark.parametrize("number", range(1, CALLS))
async def test_a_disk_that_stays_full_keeps_what_was_acknowledged(tmp_path: Path, number: int) -> None:
    """OB-510, OB-508: no frame behind one that was not written is ever acknowledged; the next start finds the rest sound."""
    running = await run(tmp_path / "KRX", FullAt("write", number, 100))
    assert running.writer.failed.done()
    recover(running.folder, tmp_path / "quarantine")
    assert running.on_disk() == running.acknowledged == running.sent[: len(running.acknowledged)]
    assert running.all_sealed()
    assert not (tmp_path / "quarantine").exists()


async def test_the_report_names_the_last_durable_frame(tmp_path: Path) -> None:
    """OB-510, OB-506: one line: what failed, where, the last durable (connection, sequence), what to do."""
    running = await run(tmp_path / "KRX", FullAt("write", 3, 1))
    message = running.writer.failed.result().message
    assert message == (
        f"journal: No space left on device: {tmp_path / 'KRX'}: 2 frames are durable, the last one is 2 of connection 3;"
        " free some space and start again"
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a file system of one MiB when we may mount one, else on one that only says so."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False, capture_output=True
        ).returncode
        == 0
    )
    yield folder
    if mounted:
        subprocess.run(["umount", folder], check=True)


class OneMebibyte(Disk):
    """Stands in for the small file system where none may be mounted: full once a MiB less the reserve is used."""

    def write(self, descriptor: int, data: bytes) -> None:
        used = sum(
            path.stat().st_size for path in Path(f"/proc/self/fd/{descriptor}").resolve().parent.iterdir()
        )
        reserve = Path(f"/proc/self/fd/{descriptor}").resolve().parent.parent / RESERVE_NAME
        if used + len(data) > (1 << 20) - (reserve.stat().st_size if reserve.exists() else 0):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write(descriptor, data)


async def test_a_small_file_system_fills_up(small_disk: Path) -> None:
    """OB-510, OB-854: a real full disk: every frame that did not fit at first is on it, sealed; the run ends with one line."""
    storage = Disk() if shutil.disk_usage(small_disk).total == 1 << 20 else OneMebibyte()
    running = Run(small_disk / "KRX", storage, reserve_bytes=1 << 18)
    number = 0
    async with asyncio.timeout(PATIENCE_S):
        while await running.send(frame(number := number + 1, size=8192)):
            pass
    await running.writer.close()
    await asyncio.sleep(0)
    assert isinstance(running.writer.failed.result(), UnavailableError)
    assert running.on_disk() == running.acknowledged == running.sent[: len(running.acknowledged)]
    assert 50 < number < 128
    assert len(running.sent) - len(running.acknowledged) <= 1  # at most the one sent after the writer gave up
    assert running.all_sealed()
