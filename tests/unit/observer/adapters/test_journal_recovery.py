"""Files that a killed process left: closed from their checksums alone."""

import json
from pathlib import Path

import pytest
from tests.tape import DAY, day_notes, frames

from veritape.observer import journal
from veritape.observer.adapters import journal_recovery
from veritape.observer.adapters.journal_files import read_journal
from veritape.observer.adapters.journal_recovery import recover
from veritape.observer.journal import BLOCK_HEADER, Frame, scan

TICKS = list(frames(("990001",), until_ms=32_400_000 + 20_000))
GROUPS: list[list[Frame]] = [day_notes(("990001",)), TICKS[:2], TICKS[2:5]]


def left_open(folder: Path, content: bytes) -> Path:
    path = folder / "journal" / DAY / "0900-0.vtj"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    return path


def journal_bytes() -> bytes:
    data = journal.encode_file_header(journal.Header(journal.Venue.KRX, bytes(16), 1, bytes(16)))
    return data + b"".join(journal.encode_block(group, number, 1) for number, group in enumerate(GROUPS))


def test_a_file_is_closed_without_reading_its_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OB-509, OB-507: checksums, then a seal that says what the frames would have said; only the last block is opened."""
    opened = []
    read = journal.read_block

    def noted(data: journal.Buffer, block: journal.Block) -> list[Frame]:
        opened.append(block.number)
        return read(data, block)

    monkeypatch.setattr(journal, "read_block", noted)
    path = left_open(tmp_path, journal_bytes())
    (result,) = recover(tmp_path / "journal", tmp_path / "quarantine")
    assert (result.path, result.frames, result.cut_bytes, result.damaged) == (
        path,
        sum(map(len, GROUPS)),
        0,
        (),
    )
    assert opened == [2]
    found = scan(path.read_bytes())
    seal = found.blocks[-1]
    payload = json.loads(path.read_bytes()[seal.offset + BLOCK_HEADER.size :])
    assert payload == {
        "blocks": 3, "frames": sum(map(len, GROUPS)), "first_ns": GROUPS[0][0].received_ns,
        "last_ns": GROUPS[2][-1].received_ns, "blake3": journal.digest_of(journal_bytes()).hex(),
    }  # fmt: skip
    assert recover(tmp_path / "journal", tmp_path / "quarantine") == []


def test_a_flipped_bit_anywhere_costs_its_own_block_at_most(tmp_path: Path) -> None:
    """OB-1015, OB-508: at every byte of a small file: the other blocks are read, the file is kept in quarantine, nothing is raised."""
    whole = journal_bytes()
    ends = [block.end for block in scan(whole).blocks]
    for place in range(len(whole)):
        path = left_open(tmp_path, whole[:place] + bytes([whole[place] ^ 64]) + whole[place + 1 :])
        (result,) = recover(tmp_path / "journal", tmp_path / "quarantine")
        read = [frame for _, _, frame in read_journal(tmp_path / "journal")]
        if place < journal.FILE_HEADER_BYTES:
            assert (read, path.exists(), result.damaged) == ([], False, ((0, len(whole)),))
        else:
            hit = sum(end <= place for end in ends)
            assert read == [frame for number, group in enumerate(GROUPS) if number != hit for frame in group]
            assert bool(result.damaged) == (hit < 2)
            assert result.cut_bytes == (len(whole) - ends[1] if hit == 2 else 0)
            assert scan(path.read_bytes()).blocks[-1].is_seal


def test_a_block_whose_frames_cannot_be_read_does_not_stop_recovery(tmp_path: Path) -> None:
    """OB-992: a right checksum over wrong frames: the seal takes the time of the block."""
    payload = b"no frames"
    block = journal._block(payload, len(payload), 0, 1, 0, 77)
    path = left_open(tmp_path, journal_bytes()[:64] + block)
    (result,) = journal_recovery.recover(tmp_path / "journal", tmp_path / "quarantine")
    assert result.frames == 1
    assert json.loads(path.read_bytes()[64 + len(block) + BLOCK_HEADER.size :])["last_ns"] == 77


def plain_journal(count: int) -> list[bytes]:
    """Return a file's header and blocks of one frame each, stored as they are."""
    header = journal.encode_file_header(journal.Header(journal.Venue.KRX, bytes(16), 1, bytes(16)))
    return [header, *(journal.encode_block([TICKS[number]], number, 0) for number in range(count))]


def found_below(folder: Path) -> list[Frame]:
    return [frame for _, _, frame in read_journal(folder)]


def test_every_truncation_of_the_last_block_is_recovered(tmp_path: Path) -> None:
    """OB-508, OB-505: the tail is cut, the file sealed, every acknowledged frame kept."""
    header, acknowledged, tail = plain_journal(2)
    for cut in range(len(tail)):
        path = left_open(tmp_path, header + acknowledged + tail[:cut])
        (result,) = recover(tmp_path / "journal", tmp_path / "quarantine")
        assert (result.frames, result.cut_bytes, result.damaged) == (1, cut, ())
        assert found_below(tmp_path / "journal") == TICKS[:1]
        assert journal.scan(path.read_bytes()).sealed
        assert recover(tmp_path / "journal", tmp_path / "quarantine") == []


def test_damage_in_the_middle_keeps_both_sides_and_a_copy(tmp_path: Path) -> None:
    """OB-508: journal_damaged: the valid blocks are used, the file is kept in quarantine, the seal lists the range."""
    header, *blocks = plain_journal(3)
    begin, end = len(header) + len(blocks[0]), len(header) + len(blocks[0]) + len(blocks[1])
    broken = bytearray(header + b"".join(blocks))
    broken[begin + 50] ^= 1
    left_open(tmp_path, bytes(broken))
    (result,) = recover(tmp_path / "journal", tmp_path / "quarantine")
    assert result.damaged == ((begin, end),)
    assert found_below(tmp_path / "journal") == [TICKS[0], TICKS[2]]
    assert (tmp_path / "quarantine" / f"{DAY}-0900-0.vtj").read_bytes() == bytes(broken)


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 200])
def test_a_file_without_a_header_is_set_aside(tmp_path: Path, content: bytes) -> None:
    """OB-508, OB-991: nothing acknowledged can be in it; the bytes are kept."""
    path = tmp_path / "journal" / "20131007" / "0900-0.vtj"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    (result,) = recover(tmp_path / "journal", tmp_path / "quarantine")
    assert (result.frames, path.exists()) == (0, False)
    assert (tmp_path / "quarantine" / "20131007-0900-0.vtj").read_bytes() == content
