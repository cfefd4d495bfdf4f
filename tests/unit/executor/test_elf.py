"""The loader: one file per reason, and bytes at random."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import rv32

from veritape.executor.adapters.guest_files import guest_elf
from veritape.executor.elf import ImageReason, load
from veritape.kernel.errors import PeerError

IMAGE = rv32.image([rv32.NOP, rv32.ECALL], b"data")
GOOD = rv32.elf(IMAGE)
TABLE, SEGMENT = 52, 32


def changed(*places: tuple[int, int], size: int = 4) -> bytes:
    data = bytearray(GOOD)
    for place, value in places:
        data[place : place + size] = value.to_bytes(size, "little")
    return bytes(data)


def reason(data: bytes, memory_bytes: int = 16_777_216) -> object:
    with pytest.raises(PeerError) as caught:
        load(data, memory_bytes)
    return caught.value.reason


def header(segment: int, field: int) -> int:
    return TABLE + SEGMENT * segment + 4 * field


KIND, OFFSET, ADDRESS, PHYSICAL, FILE, MEMORY, FLAGS = range(7)


def test_an_image_is_loaded_as_it_was_written() -> None:
    """EX-143: segments, entry and memory size are those of the file; symbols and sections are not read."""
    assert load(GOOD) == IMAGE
    assert load(GOOD + b"symbols and debug information") == IMAGE
    assert load(changed((header(1, KIND), 0x6474E551))).segments == IMAGE.segments[:1]
    assert load(changed((header(1, MEMORY), 0), (header(1, FILE), 0))).segments == IMAGE.segments[:1]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x7fELF" + bytes(16 * 1024 * 1024), ImageReason.TOO_LARGE),
        (b"", ImageReason.NOT_ELF),
        (b"\x7fELG" + GOOD[4:], ImageReason.NOT_ELF),
        (GOOD[:51], ImageReason.NOT_ELF),
        (changed((6, 2), size=1), ImageReason.NOT_ELF),
        (changed((20, 2)), ImageReason.NOT_ELF),
        (changed((4, 2), size=1), ImageReason.WRONG_CLASS),
        (changed((5, 2), size=1), ImageReason.WRONG_CLASS),
        (changed((18, 62), size=2), ImageReason.WRONG_MACHINE),
        (changed((16, 3), size=2), ImageReason.WRONG_MACHINE),
        (changed((36, 5)), ImageReason.UNSUPPORTED_FLAGS),
        (changed((44, 0), size=2), ImageReason.BAD_PROGRAM_HEADERS),
        (changed((44, 17), size=2), ImageReason.BAD_PROGRAM_HEADERS),
        (changed((42, 56), size=2), ImageReason.BAD_PROGRAM_HEADERS),
        (changed((28, 0xFFFFFFFF)), ImageReason.BAD_PROGRAM_HEADERS),
        (changed((header(0, FLAGS), 4)), ImageReason.NO_EXECUTABLE_SEGMENT),
        (changed((header(1, KIND), 2)), ImageReason.UNSUPPORTED_SEGMENT),
        (changed((header(1, KIND), 3)), ImageReason.UNSUPPORTED_SEGMENT),
        (changed((header(1, KIND), 7)), ImageReason.UNSUPPORTED_SEGMENT),
        (changed((header(1, KIND), 99)), ImageReason.UNSUPPORTED_SEGMENT),
        (changed((header(1, OFFSET), 0xFFFFFFF0)), ImageReason.SEGMENT_BOUNDS),
        (changed((header(1, FILE), 8)), ImageReason.SEGMENT_BOUNDS),
        (changed((header(0, MEMORY), 12)), ImageReason.SEGMENT_BOUNDS),
        (changed((header(1, ADDRESS), 0xFFFFFFFC), (header(1, MEMORY), 8)), ImageReason.SEGMENT_BOUNDS),
        (changed((header(1, ADDRESS), rv32.RAM + 2)), ImageReason.SEGMENT_ALIGNMENT),
        (changed((header(1, ADDRESS), 0)), ImageReason.SEGMENT_ADDRESS),
        (changed((header(1, ADDRESS), 0xF0000000)), ImageReason.SEGMENT_ADDRESS),
        (changed((header(0, FLAGS), 7)), ImageReason.SEGMENT_PERMISSIONS),
        (changed((header(1, FLAGS), 5)), ImageReason.SEGMENT_PERMISSIONS),
        (changed((header(1, FLAGS), 2)), ImageReason.SEGMENT_PERMISSIONS),
        (changed((header(1, ADDRESS), 0x10004), (header(1, FLAGS), 4)), ImageReason.SEGMENT_OVERLAP),
        (changed((24, 0x10002)), ImageReason.BAD_ENTRY),
        (changed((24, rv32.RAM)), ImageReason.BAD_ENTRY),
    ],
)  # fmt: skip
def test_each_rejection_has_its_reason(data: bytes, expected: ImageReason) -> None:
    """EX-144, EX-145, EX-147: one file per reason: class, machine, type, flags, headers, bounds, place and permissions of segments."""
    assert reason(data) is expected


@pytest.mark.parametrize("memory_bytes", [0, 65_535, 32_768, 268_435_456, 100_000])
def test_the_memory_size_is_a_power_of_two_in_bounds(memory_bytes: int) -> None:
    """EX-142: from 64 KiB to 128 MiB; a RAM segment above its end is the same reason."""
    assert reason(GOOD, memory_bytes) is ImageReason.BAD_MEMORY_SIZE
    assert reason(changed((header(1, ADDRESS), rv32.RAM + 65_536)), 65_536) is ImageReason.BAD_MEMORY_SIZE


def test_images_and_code_have_limits() -> None:
    """EX-146: over 1 MiB of code, or 4 MiB of data."""
    assert reason(rv32.elf(rv32.image([rv32.NOP] * (262_144 + 1)))) is ImageReason.IMAGE_TOO_LARGE
    assert reason(rv32.elf(rv32.image([rv32.NOP], b"x" * 4_194_304))) is ImageReason.IMAGE_TOO_LARGE


@settings(max_examples=400)
@given(st.data())
def test_no_bytes_break_the_loader(data: st.DataObject) -> None:
    """EX-711: any byte changed, cut at any place: an image or a reason."""
    original = data.draw(st.sampled_from([GOOD, guest_elf("vwap")]))
    broken = bytearray(original[: data.draw(st.integers(0, len(original)))])
    for _ in range(data.draw(st.integers(0, 4)) if broken else 0):
        broken[data.draw(st.integers(0, min(len(broken), 180) - 1))] = data.draw(st.integers(0, 255))
    assert accepted_or_reason(bytes(broken))


def accepted_or_reason(data: bytes) -> bool:
    """Tell whether the loader answers with an image or one of its reasons."""
    try:
        return bool(load(data).segments)
    except PeerError as error:
        return isinstance(error.reason, ImageReason)
