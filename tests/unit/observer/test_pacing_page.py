"""The page of permits."""

import re
import struct
from pathlib import Path

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.kernel.errors import PeerError
from veritape.observer.pacing import SLOTS, Pace, Refused, Slot, SlotState
from veritape.observer.pacing_page import MAGIC, PAGE_BYTES, decode_page, encode_page

BOOT = bytes(range(16))
STAMP = st.integers(0, 2**64 - 1)
SLOT = st.builds(Slot, STAMP, st.integers(0, 2**32 - 1), st.sampled_from(SlotState))
PACES = st.integers(1, SLOTS).flatmap(
    lambda ceiling: st.builds(
        Pace,
        limit=st.integers(ceiling, SLOTS),
        permits=st.integers(1, ceiling),
        ceiling=st.just(ceiling),
        day=st.integers(0, 20991231),
        slots=st.lists(SLOT, min_size=SLOTS, max_size=SLOTS),
        seen_ns=STAMP, next_ns=STAMP, paused_ns=STAMP, lowered_ns=STAMP, quiet_ns=STAMP,
        refusals=st.lists(st.builds(Refused, st.integers(1, 2**64 - 1), st.integers(1, SLOTS)), max_size=8),
        refusal_count=st.integers(0, 2**32 - 1),
        pause_count=st.integers(0, 2**32 - 1),
    )
)  # fmt: skip


@given(PACES)
def test_what_is_written_is_read(pace: Pace) -> None:
    """OB-256: every field survives."""
    assert decode_page(encode_page(BOOT, pace)) == (BOOT, pace)


def test_the_page_is_laid_out_as_stated() -> None:
    """OB-256: 4 KiB: magic, boot id, N, slots; per slot release time, holder, state."""
    pace = Pace(18)
    pace.slots[1] = Slot(11 * 10**9, 4_711, SlotState.IN_FLIGHT)
    page = encode_page(BOOT, pace)
    assert (len(page), page[:8], page[8:24]) == (PAGE_BYTES, b"VTPACE1\0", BOOT)
    assert struct.unpack_from("<II", page, 24) == (18, SLOTS)
    assert struct.unpack_from("<QII", page, 32 + 16) == (11 * 10**9, 4_711, 1)


def test_the_formats_example_is_exact() -> None:
    """OB-256: docs/formats/pacing-permits.md."""
    pace = Pace(18)
    pace.grant(5 * 10**9, 4_711, lambda _process, _granted_ns: True)
    page = encode_page(BOOT, pace)
    text = (Path(__file__).resolve().parents[3] / "docs" / "formats" / "pacing-permits.md").read_text()
    example = bytes.fromhex("".join(re.findall(r"\b[0-9a-f]{8}\b", text.split("```")[1])))
    assert example == page[:64] + page[4032:]
    assert page[64:4032] == bytes(4032 - 64)


def test_a_flipped_bit_anywhere_is_found() -> None:
    """OB-991: a corrupt file is not believed."""
    page = encode_page(BOOT, Pace(18))
    for place in range(PAGE_BYTES):
        damaged = bytearray(page)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(PeerError):
            decode_page(bytes(damaged))


@pytest.mark.parametrize(
    ("offset", "value", "words"),
    [(24, 0, "0 in force"), (24, 19, "19 in force"), (28, 254, "254 permits"), (32 + 12, 3, "state 3")],
)
def test_values_that_cannot_be_are_refused(offset: int, value: int, words: str) -> None:
    """OB-256, OB-991: with a good checksum too."""
    page = bytearray(encode_page(BOOT, Pace(18)))
    struct.pack_into("<I", page, offset, value)
    struct.pack_into("<I", page, PAGE_BYTES - 4, google_crc32c.value(bytes(page[:-4])))
    with pytest.raises(PeerError, match=words):
        decode_page(bytes(page))


@given(
    st.binary(max_size=200) | st.binary(min_size=PAGE_BYTES - 8, max_size=PAGE_BYTES - 8).map(MAGIC.__add__)
)
def test_any_bytes_are_a_page_or_a_refusal(data: bytes) -> None:
    """OB-992: the decoder is total."""
    with pytest.raises(PeerError):
        decode_page(data)
