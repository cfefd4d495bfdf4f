"""What a disk's free space allows (OB-510): the journal has the last of it, and nothing is deleted to make room."""

from enum import StrEnum
from typing import Final

LOW_SHARE: Final = 5
"""Below one part in so many, 20 %, people are warned."""


class Room(StrEnum):
    """How much space is left."""

    PLENTY = "plenty"
    """Nothing to say."""
    LOW = "low"
    """Below 20 % of the file system: free some."""
    SCARCE = "scarce"
    """Below what is kept for the journal: segments, order books and exports wait."""


def room_of(free_bytes: int, size_bytes: int, kept_bytes: int) -> Room:
    """Return what the free bytes of a file system allow.

    Args:
        free_bytes: for this process.
        size_bytes: of the file system.
        kept_bytes: what only the journal may use.
    """
    if free_bytes < kept_bytes:
        return Room.SCARCE
    return Room.LOW if free_bytes * LOW_SHARE < size_bytes else Room.PLENTY
