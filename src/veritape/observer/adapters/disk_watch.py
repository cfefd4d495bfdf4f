"""Watch the free space of the data's disk and tell when it changes for the worse or the better (OB-510)."""

import os
from collections.abc import Callable
from pathlib import Path

import structlog

from veritape.observer.log_events import LogEvent
from veritape.observer.room import Room, room_of


def space(folder: Path) -> tuple[int, int]:
    """Return free and all bytes of the file system that holds a folder."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


def has_room(folder: Path, kept_bytes: int) -> bool:
    """Tell whether files beside the journal may be written now."""
    return room_of(*space(folder), kept_bytes) is not Room.SCARCE


class DiskWatch:
    """One folder's disk."""

    def __init__(
        self, folder: Path, kept_bytes: int, measure: Callable[[Path], tuple[int, int]] = space
    ) -> None:
        self._folder = folder
        self._kept_bytes = kept_bytes
        self._measure = measure
        self._told = Room.PLENTY

    def has_room(self) -> bool:
        """Tell whether files beside the journal may be written; a change of the state is logged once."""
        free_bytes, size_bytes = self._measure(self._folder)
        room = room_of(free_bytes, size_bytes, self._kept_bytes)
        if room is not self._told:
            self._told = room
            log = structlog.get_logger()
            tell = log.info if room is Room.PLENTY else log.warning
            tell(LogEvent.DISK_ROOM, room=room.value, free_bytes=free_bytes)
        return room is not Room.SCARCE
