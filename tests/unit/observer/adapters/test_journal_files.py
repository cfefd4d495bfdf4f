"""The journal's files, read: their order, their blocks, the digest that the next one names."""

from pathlib import Path

from tests.tape import DAY, frames

from veritape.observer import journal
from veritape.observer.adapters.journal_files import (
    digest_of_newest,
    is_open,
    journal_paths,
    mapped,
    read_file,
    read_journal,
)

TICKS = list(frames(("990001",), until_ms=32_400_000 + 20_000))[:3]


def header_of(created_ns: int) -> bytes:
    return journal.encode_file_header(journal.Header(journal.Venue.KRX, bytes(16), created_ns, bytes(16)))


def left(folder: Path, name: str, created_ns: int) -> Path:
    """Write an unsealed file with a block for each of the ticks."""
    blocks = [journal.encode_block([tick], number, 1) for number, tick in enumerate(TICKS)]
    path = folder / DAY / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header_of(created_ns) + b"".join(blocks))
    return path


def test_files_of_one_moment_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """OB-501: 0900-10 comes after 0900-9."""
    names = [f"0900-{number}.vtj" for number in range(12)]
    for name in reversed(names):
        (tmp_path / name).write_bytes(header_of(1))
    assert [path.name for path in journal_paths(tmp_path)] == names


def test_files_are_read_in_the_order_of_their_creation(tmp_path: Path) -> None:
    """OB-501, OB-991: by the time in the header, whatever the names say; one without a header comes first."""
    later, earlier = left(tmp_path, "0900-0.vtj", 2), left(tmp_path, "0901-0.vtj", 1)
    (broken := tmp_path / DAY / "0902-0.vtj").write_bytes(b"short")
    assert journal_paths(tmp_path) == [broken, earlier, later]


def test_a_reader_begins_behind_the_block_that_it_knows(tmp_path: Path) -> None:
    """OB-509: a checkpoint names a block, and reading goes on after it."""
    path = left(tmp_path, "0900-0.vtj", 1)
    assert [(found.name, block.number, frame) for found, block, frame in read_journal(tmp_path)] == [
        ("0900-0.vtj", number, tick) for number, tick in enumerate(TICKS)
    ]
    assert [(block.number, frames) for block, frames in read_file(path, after=1)] == [(2, TICKS[2:])]


def test_a_file_is_open_until_it_is_sealed(tmp_path: Path) -> None:
    """OB-507: its mode says so; what is no journal file never is."""
    path = left(tmp_path, "0900-0.vtj", 1)
    assert is_open(path)
    path.chmod(0o444)
    assert not is_open(path)
    (other := tmp_path / "reserve").write_bytes(b"")
    assert not is_open(other)


def test_the_next_file_names_the_newest_one(tmp_path: Path) -> None:
    """OB-502: by the first 16 bytes of its BLAKE3; zeros when there is none."""
    assert digest_of_newest(tmp_path) == bytes(16)
    left(tmp_path, "0900-0.vtj", 1)
    newest = left(tmp_path, "0901-0.vtj", 2)
    assert digest_of_newest(tmp_path) == journal.digest_of(newest.read_bytes())[:16]


def test_an_empty_file_has_no_bytes(tmp_path: Path) -> None:
    """OB-991: a process killed between a file's creation and its header left one: there is nothing to map."""
    (path := tmp_path / "0900-0.vtj").write_bytes(b"")
    with mapped(path) as data:
        assert data == b""
