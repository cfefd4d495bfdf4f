"""The file that is being written: when the next one begins, what a seal leaves, and a disk that refuses."""

import errno
from pathlib import Path

import pytest
from tests.tape import MIDNIGHT_NS

from veritape.kernel.clock import ManualClock
from veritape.observer import journal
from veritape.observer.adapters.journal_files import journal_paths, read_journal
from veritape.observer.adapters.journal_output import PROBE_NAME, JournalOptions, JournalOutput
from veritape.observer.adapters.storage import FailingDisk
from veritape.observer.journal import Frame, Kind

OPEN_NS = MIDNIGHT_NS + 32_400 * 10**9


def frame(number: int, at_s: float = 0, size: int = 100) -> Frame:
    return Frame(Kind.TEXT, 1, number, OPEN_NS + int(at_s * 10**9), number, b"x" * size)


def output(folder: Path, disk: FailingDisk | None = None, **options: int) -> JournalOutput:
    values = JournalOptions(folder, **{"zstd_level": 0, **options})  # type: ignore[arg-type]
    return JournalOutput(values, disk or FailingDisk({}), ManualClock())


class FailingNow(FailingDisk):
    """A disk of which one call fails while it is told to."""

    def __init__(self, call: str) -> None:
        super().__init__({})
        self.call, self.fails = call, False

    def _draw(self, name: str) -> int:
        return errno.ENOSPC if self.fails and name == self.call else 0


def test_a_new_hour_or_size_begins_a_new_file_that_names_the_one_before(tmp_path: Path) -> None:
    """OB-501, OB-502: roll at the hour and at the size; previous is the BLAKE3 of the file before."""
    one = output(tmp_path, roll_bytes=300)
    places = [
        one.write([frame(number, at_s, size=200)]) for number, at_s in ((1, 0), (2, 1), (3, 2), (4, 3600))
    ]
    one.seal()
    names = ["0900-0.vtj", "0900-1.vtj", "0900-2.vtj", "1000-0.vtj"]
    assert places == [("20131007", name, 0) for name in names]
    paths = journal_paths(tmp_path)
    assert [path.name for path in paths] == names
    headers = [journal.decode_file_header(path.read_bytes()) for path in paths]
    digests = [journal.digest_of(path.read_bytes())[:16] for path in paths]
    assert [header.previous for header in headers] == [bytes(16), *digests[:-1]]
    again = output(tmp_path)
    again.write([frame(9)])
    assert (
        journal.decode_file_header((tmp_path / "20131007" / "0900-3.vtj").read_bytes()).previous
        == digests[-1]
    )


def test_a_seal_says_what_the_file_holds(tmp_path: Path) -> None:
    """OB-507: blocks, frames, first and last moment and the hash of all bytes before it; nobody may write to it again."""
    one = output(tmp_path)
    assert [one.write([frame(1), frame(2, 1)]), one.write([frame(3, 2)])] == [
        ("20131007", "0900-0.vtj", 0),
        ("20131007", "0900-0.vtj", 1),
    ]
    one.seal()
    one.seal()
    (path,) = journal_paths(tmp_path)
    data = path.read_bytes()
    before = data[: journal.scan(data).blocks[-1].offset]
    contents = journal.Contents(2, 3, OPEN_NS, OPEN_NS + 2 * 10**9)
    assert data[len(before) :] == journal.encode_seal(2, contents, journal.digest_of(before))
    assert path.stat().st_mode & 0o777 == 0o444
    assert one.bytes_written == len(before) - journal.FILE_HEADER_BYTES


@pytest.mark.parametrize(("call", "counted"), [("write", "write"), ("sync", "fsync")])
def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, call: str, counted: str) -> None:
    """OB-510, OB-854: so that the same frames can be written once there is room."""
    disk = FailingNow(call)
    one = output(tmp_path, disk)
    one.write([frame(1)])
    (path,) = journal_paths(tmp_path)
    before, disk.fails = path.read_bytes(), True
    with pytest.raises(OSError, match="No space left"):
        one.write([frame(2)])
    assert path.read_bytes() == before
    assert one.errors == {counted: 1}
    disk.fails = False
    assert one.write([frame(2)]).block == 1
    one.seal()
    assert [found for _, _, found in read_journal(tmp_path)] == [frame(1), frame(2)]


def test_a_file_without_its_header_is_not_left(tmp_path: Path) -> None:
    """OB-510, OB-508: the next start would have to set it aside."""
    disk = FailingNow("write")
    one, disk.fails = output(tmp_path, disk), True
    with pytest.raises(OSError, match="No space left"):
        one.write([frame(1)])
    assert journal_paths(tmp_path) == []
    assert one.errors == {"rotate": 1}


@pytest.mark.parametrize("call", ["write", "sync"])
def test_a_probe_says_whether_the_disk_takes_a_write(tmp_path: Path, call: str) -> None:
    """TL-720: one byte beside the files, written over; it is no part of the journal."""
    disk = FailingNow(call)
    one = output(tmp_path, disk)
    for _ in range(2):
        one.probe()
    assert ((tmp_path / PROBE_NAME).read_bytes(), journal_paths(tmp_path), one.bytes_written) == (
        b"\n",
        [],
        0,
    )
    disk.fails = True
    with pytest.raises(OSError, match="No space left"):
        one.probe()
