"""What free space allows."""

import pytest

from veritape.observer.room import Room, room_of

GIGABYTE = 1 << 30


@pytest.mark.parametrize(
    ("free", "size", "room"),
    [
        (20 * GIGABYTE, 100 * GIGABYTE, Room.PLENTY), (20 * GIGABYTE - 1, 100 * GIGABYTE, Room.LOW),
        (GIGABYTE, 100 * GIGABYTE, Room.LOW), (GIGABYTE - 1, 100 * GIGABYTE, Room.SCARCE), (0, 0, Room.SCARCE),
    ],
)  # fmt: skip
def test_thresholds(free: int, size: int, room: Room) -> None:
    """OB-510: a warning below 20 %, only the journal below what is kept for it."""
    assert room_of(free, size, GIGABYTE) is room
