"""Image bytes."""

from tests import rv32


def test_the_image_bytes_are_those_of_the_worked_example() -> None:
    """EX-281: header, one segment, its data."""
    image = rv32.image([0x00700513, 0x00000893, rv32.ECALL])
    assert image.to_bytes().hex() == (
        "5654494d010001000000010000000001000001000c0000000c00000005000000130570009308000073000000"
    )
    assert (image.memory_end, image.segments[0].end) == (0x2000000, 0x1000C)
