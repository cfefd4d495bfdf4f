"""Sealed files that were changed afterwards."""

import json
from pathlib import Path

import pytest
from tests.tape import DAY, anchors, day_notes, frames, recorded

from veritape.kernel.canonical import canonical_json
from veritape.observer import journal
from veritape.observer.adapters.integrity import journal_damage, segment_damage
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.seal_files import seal_hash
from veritape.observer.adapters.segment_files import SegmentStore
from veritape.observer.journal import Contents, Frame
from veritape.observer.rows import TradeRows

UNTIL = 32_400_000 + 20_000
CODE = ("990001",)


def blocks() -> list[list[Frame]]:
    ticks = list(frames(CODE, until_ms=UNTIL))
    return [day_notes(CODE), ticks[:5], ticks[5:], anchors(CODE, UNTIL)]


def journal_bytes() -> bytes:
    data = journal.encode_file_header(journal.Header(journal.Venue.KRX, bytes(16), 1, bytes(16)))
    for number, group in enumerate(blocks()):
        data += journal.encode_block(group, number, 1)
    contents = Contents(4, sum(map(len, blocks())), 1, 2)
    return data + journal.encode_seal(4, contents, journal.digest_of(data))


def written(data: Path, content: bytes, mode: int = 0o444) -> Path:
    path = data / "journal" / "KRX" / DAY / "0900-0.vtj"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_sound_or_unfinished_journal_has_no_damage(tmp_path: Path) -> None:
    """OB-508: a file without its seal is being written or waits for recovery."""
    path = written(tmp_path, journal_bytes())
    assert journal_damage(tmp_path) == []
    path.chmod(0o644)
    for content in (b"", journal_bytes()[:-10], journal_bytes()[:500]):
        written(tmp_path, content, 0o644)
        assert journal_damage(tmp_path) == []


def test_every_flipped_bit_of_a_sealed_journal_is_one_line(tmp_path: Path) -> None:
    """OB-507, OB-991: named by file and bytes, wherever it is."""
    whole = journal_bytes()
    for place in range(0, len(whole), 7):
        path = written(tmp_path, whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        (line,) = journal_damage(tmp_path)
        assert line.startswith(f"{path}: ")
        path.unlink()


def test_a_cut_or_exchanged_sealed_journal_is_found(tmp_path: Path) -> None:
    """OB-507: blocks with valid checksums that are not those that were sealed."""
    whole = journal_bytes()
    path = written(tmp_path, whole[:400])
    assert journal_damage(tmp_path)[0].startswith(f"{path}: it was sealed and now ends at byte ")
    path.unlink()
    other = journal.encode_file_header(journal.Header(journal.Venue.KRX, b"o" * 16, 1, bytes(16)))
    path = written(tmp_path, other + whole[64:])
    assert journal_damage(tmp_path) == [f"{path}: its bytes are not those that were sealed"]


@pytest.fixture
def sealed(tmp_path: Path) -> Recording:
    written(tmp_path, journal_bytes())
    recording = Recording(tmp_path)
    recording.load()
    recording.seal_due(DAY, 0, 0, all_hours=True)
    return recording


def test_a_changed_or_missing_segment_is_named(sealed: Recording) -> None:
    """OB-555, OB-991: segment_corrupt: hash differs, file missing, the seal before it missing."""
    assert segment_damage(sealed.segments, DAY) == []
    (seal,) = sealed.segments.seals()
    content = bytearray(seal.path.read_bytes())
    content[100] ^= 1
    seal.path.chmod(0o644)
    seal.path.write_bytes(content)
    assert segment_damage(sealed.segments, DAY) == [
        f"{seal.path}: segment_corrupt: the file is not the one that was sealed"
    ]
    seal.path.unlink()
    document = seal.path.with_name("09.seal.json")
    document.chmod(0o644)
    document.write_bytes(canonical_json({**json.loads(document.read_bytes()), "previous": "00"}))
    assert segment_damage(sealed.segments, DAY) == [
        f"{seal.path}: segment_corrupt: the file is missing",
        f"{seal.path}: segment_corrupt: the seal before it is missing, changed or followed by two",
    ]


def test_a_seal_that_cannot_be_read_is_named_and_the_hour_sealed_again(sealed: Recording) -> None:
    """OB-991: refused by the reader; rebuilt from the journal."""
    (seal,) = sealed.segments.seals()
    path = seal.path.with_name("09.seal.json")
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])
    assert segment_damage(sealed.segments, DAY) == [f"{path}: segment_corrupt: the seal cannot be read"]
    again = Recording(sealed.data)
    again.load()
    assert [one.document for one in again.seal_due(DAY, 0, 0, all_hours=True)] == [seal.document]
    assert segment_damage(again.segments, DAY) == []


def test_a_closing_block_that_is_no_seal_is_damage(tmp_path: Path) -> None:
    """OB-992: whatever a block holds whose checksum is right."""
    head = journal.encode_file_header(journal.Header(journal.Venue.KRX, bytes(16), 1, bytes(16)))
    for payload in (b"x", b"[]", b"{}"):
        path = written(tmp_path, head + journal._block(payload, len(payload), 0, 0, journal.SEAL, 0))
        assert journal_damage(tmp_path) == [f"{path}: its bytes are not those that were sealed"]
        path.unlink()


def test_a_late_part_keeps_the_chain_straight(tmp_path: Path) -> None:
    """OB-555: the seal after a late part of an earlier hour follows the late part, also in a new process; a fork is named."""
    store = SegmentStore(tmp_path)
    rows = recorded(*frames(("990001",), until_ms=32_400_000 + 60_000)).take_rows(DAY, 9)
    for hour in (10, 9, 11):
        store.write(DAY, hour, rows, {}, [])
    fourth = SegmentStore(tmp_path).write(DAY, 9, TradeRows(list(rows)[:3]), {}, [])
    hashes = {seal.key: seal_hash(seal.path) for seal in store.seals()}
    previous = {seal.key: seal.document["previous"] for seal in store.seals()}
    assert previous == {
        (DAY, 10, 0): "", (DAY, 9, 0): hashes[DAY, 10, 0], (DAY, 11, 0): hashes[DAY, 9, 0],
        (DAY, 9, 1): hashes[DAY, 11, 0],
    }  # fmt: skip
    assert segment_damage(store, DAY) == []
    path = fourth.path.with_name("09.late-1.seal.json")
    path.chmod(0o644)
    path.write_bytes(canonical_json({**fourth.document, "previous": hashes[DAY, 10, 0]}))
    assert [line.partition(": ")[0] for line in segment_damage(store, DAY)] == [
        str(seal.path) for seal in store.seals() if seal.key in {(DAY, 9, 0), (DAY, 9, 1)}
    ]
