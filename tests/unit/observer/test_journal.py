"""Journal bytes: the worked block, recovery of every torn tail and bit flip, totality."""

import json

import google_crc32c
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from veritape.kernel.errors import PeerError
from veritape.observer import journal
from veritape.observer.journal import Contents, Frame, Header, JournalReason, Kind, Venue

PINGPONG = b'{"header":{"tr_id":"PINGPONG","datetime":"20261120090000"}}'
HEADER = Header(Venue.KRX, b"r" * 16, 1_795_132_800_000_000_000, bytes(16))


def frame(number: int, size: int = 20) -> Frame:
    return Frame(Kind.TEXT, 1, number, 10**18 + number, number, bytes([number % 256]) * size)


def file_of(groups: list[list[Frame]], *, seal: bool = False, level: int = 0) -> bytes:
    data = journal.encode_file_header(HEADER)
    for number, group in enumerate(groups):
        data += journal.encode_block(group, number, level)
    if seal:
        contents = Contents(len(groups), sum(map(len, groups)), 1, 2)
        data += journal.encode_seal(len(groups), contents, journal.digest_of(data))
    return data


GROUPS = [[frame(1), frame(2)], [frame(3)], [frame(4), frame(5), frame(6)]]
FRAMES = [one for group in GROUPS for one in group]


def test_the_worked_block_is_written_byte_for_byte() -> None:
    """OB-505, OB-503, OB-504: one PINGPONG, stored uncompressed."""
    one = Frame(Kind.TEXT, 1, 1, 1795132800123456789, 5_000_000_000, PINGPONG)
    block = journal.encode_block([one], 0, 0)
    assert block[:40].hex() == (
        "565442315f000000924c10b05f0000000000000000000000010000000000000015cd024cc597e918"
    )  # fmt: skip
    assert block[40:76].hex() == "3b0000000000000001000000010000000000000015cd024cc597e91800f2052a01000000"
    assert block[76:] == PINGPONG


def test_the_file_header_is_64_bytes_with_a_checksum() -> None:
    """OB-502: a changed byte is found."""
    data = journal.encode_file_header(HEADER)
    assert (len(data), data[:8], data[8:12]) == (64, b"VTJRNL1\0", b"\x01\0\x40\0")
    assert journal.decode_file_header(data) == HEADER
    for place in range(64):
        with pytest.raises(PeerError) as refusal:
            journal.decode_file_header(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert refusal.value.reason is JournalReason.BAD_HEADER


@pytest.mark.parametrize("level", [0, 1, 9])
def test_frames_come_back_from_a_sealed_file(level: int) -> None:
    """OB-507: a seal closes the file; blocks may be compressed."""
    data = file_of(GROUPS, seal=True, level=level)
    found = journal.scan(data)
    assert list(journal.frames_of(data, found)) == FRAMES
    assert found.sealed
    assert not journal.scan(file_of(GROUPS, level=level)).sealed


def test_every_truncation_of_the_last_block_keeps_all_blocks_before_it() -> None:
    """OB-508: the tail is torn at the first bad position; only bytes of the last block are cut."""
    whole, kept = file_of(GROUPS), len(file_of(GROUPS[:2]))
    for end in range(kept, len(whole)):
        found = journal.scan(whole[:end])
        assert list(journal.frames_of(whole[:end], found)) == FRAMES[:3]
        assert found.torn_at == (kept if end > kept else None)
        assert found.damaged == ()


def test_every_bit_flip_in_a_middle_block_is_found_and_both_sides_kept() -> None:
    """OB-508: damaged in the middle: the valid blocks on both sides are used, the bad range is named."""
    whole, start, end = file_of(GROUPS), len(file_of(GROUPS[:1])), len(file_of(GROUPS[:2]))
    for place in range(start, end):
        damaged = whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :]
        found = journal.scan(damaged)
        assert list(journal.frames_of(damaged, found)) == FRAMES[:2] + FRAMES[3:], place
        assert found.damaged == ((start, end),)
        assert found.torn_at is None


def test_a_removed_block_is_noticed() -> None:
    """OB-508: block numbers must follow each other."""
    first, second = len(file_of(GROUPS[:1])), len(file_of(GROUPS[:2]))
    whole = file_of(GROUPS)
    found = journal.scan(whole[:first] + whole[second:])
    assert found.damaged == ((first, first),)
    assert list(journal.frames_of(whole[:first] + whole[second:], found)) == FRAMES[:2] + FRAMES[3:]


def test_a_file_without_a_readable_header_holds_nothing() -> None:
    assert journal.scan(b"").header is None
    assert journal.scan(b"x" * 100).blocks == ()


def test_a_block_whose_checksum_is_right_and_whose_content_is_not_is_refused() -> None:
    """OB-992: a peer's block is refused with a reason, never a crash."""
    for payload, compressed, reason in (
        (b"\x05\0\0\0" + bytes(40), False, JournalReason.BAD_FRAMES),
        (b"short", False, JournalReason.BAD_FRAMES),
        (b"\0\0\0\0\x63" + bytes(31), False, JournalReason.BAD_FRAMES),
        (b"not zstd", True, JournalReason.BAD_BLOCK),
        (zstandard.compress(bytes(1 << 20)), True, JournalReason.BAD_BLOCK),
        (zstandard.compress(bytes(100))[:-4], True, JournalReason.BAD_BLOCK),
    ):
        block = journal._block(payload, 100, 0, 1, journal.COMPRESSED if compressed else 0, 0)
        data = journal.encode_file_header(HEADER) + block
        with pytest.raises(PeerError) as refusal:
            list(journal.frames_of(data, journal.scan(data)))
        assert refusal.value.reason is reason


@settings(max_examples=200)
@given(st.binary(max_size=300), st.integers(0, 400))
def test_any_bytes_can_be_scanned(noise: bytes, place: int) -> None:
    """OB-992: the journal decoder is total; what it calls a frame was written as one."""
    whole = file_of(GROUPS, level=1)
    data = whole[:place] + noise + whole[place + len(noise) :]
    found = journal.scan(data)
    for one in journal.frames_of(data, found):
        assert one in FRAMES


@given(st.lists(st.builds(
    Frame, st.sampled_from(Kind), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1), st.binary(max_size=60)), min_size=1, max_size=5))  # fmt: skip
def test_frames_survive_the_round_trip(frames: list[Frame]) -> None:
    """OB-504: kinds, numbers and bytes as they were."""
    assert journal.decode_frames(journal.encode_frames(frames)) == frames


@pytest.mark.parametrize(("place", "value"), [(0, 1), (8, 2), (10, 65), (12, 99)])
def test_a_header_of_another_format_is_refused(place: int, value: int) -> None:
    """OB-502: magic, version, size and venue, however right the checksum."""
    head = bytearray(journal.encode_file_header(HEADER)[:60])
    head[place] = value
    with pytest.raises(PeerError):
        journal.decode_file_header(bytes(head) + google_crc32c.value(bytes(head)).to_bytes(4, "little"))


def test_a_seal_after_a_repair_lists_what_is_lost() -> None:
    """OB-508: byte ranges; without damage there is no such member."""
    seal = journal.encode_seal(3, Contents(2, 3, 1, 2), bytes(32), [(64, 100)])
    document = json.loads(seal[journal.BLOCK_HEADER.size :])
    assert document == {
        "blocks": 2, "frames": 3, "first_ns": 1, "last_ns": 2, "blake3": "00" * 32, "damaged": [[64, 100]],
    }  # fmt: skip
