"""A folder of sealed files."""

from pathlib import Path

import pytest
from blake3 import blake3

from veritape.observer.adapters.seal_files import Document, SealedFolder, seal_hash, seal_path
from veritape.observer.seals import read_document

MEMBERS = {"day": str, "hour": int, "part": int, "previous": str}


def read(data: bytes) -> Document | None:
    return read_document(data, "one.v1", MEMBERS)


def sealed(folder: SealedFolder, day: str, hour: int, content: bytes = b"x") -> Path:
    path, part = folder.next_file(day, hour)
    document = {"format": "one.v1", "day": day, "hour": hour, "part": part, "previous": folder.head()}
    folder.publish(path, content, document)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> SealedFolder:
    return SealedFolder(tmp_path / "trades", read)


def test_files_are_read_only_and_their_seals_a_chain(folder: SealedFolder) -> None:
    """OB-555: a late part follows what was sealed before it, also for who opens the folder anew."""
    first, second, late = (sealed(folder, "20131007", hour) for hour in (9, 10, 9))
    assert (late.name, seal_path(late).name) == ("09.late-1.parquet", "09.late-1.seal.json")
    assert {path.stat().st_mode & 0o777 for path in late.parent.iterdir()} == {0o444}
    again = SealedFolder(folder.folder, read)
    assert (
        again.head() == folder.head() == seal_hash(late) == blake3(seal_path(late).read_bytes()).hexdigest()
    )
    assert again.problems() == set()
    assert [path for path, _ in again.seals("20131007")] == [first, late, second]
    assert [document["previous"] for _, document in again.seals()] == [
        "",
        seal_hash(second),
        seal_hash(first),
    ]


def test_a_seal_that_is_none_is_told_apart(folder: SealedFolder) -> None:
    """OB-555, OB-991: it is not counted and it is named; who follows it is left without its previous."""
    first, second = sealed(folder, "20131007", 9), sealed(folder, "20131008", 9)
    seal_path(first).chmod(0o644)
    seal_path(first).write_bytes(b"{}")
    assert folder.unreadable("20131007") == [seal_path(first)]
    assert folder.unreadable("20131008") == []
    assert [path for path, _ in folder.seals()] == [second]
    assert folder.problems() == {seal_hash(second)}
