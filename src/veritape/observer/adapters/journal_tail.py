"""Read a journal behind its writer: each call gives the frames that became whole since the last one."""

from collections.abc import Iterator
from pathlib import Path

from veritape.observer import journal
from veritape.observer.adapters.journal_files import journal_paths
from veritape.observer.journal import FILE_HEADER_BYTES, Frame

NEWEST = 2
"""Days that may still grow: the present one and, around midnight, the one before."""


class JournalTail:
    """A place in the journal of some days."""

    def __init__(self, folder: Path, first_day: str, last_day: str | None = None) -> None:
        """Begin at a day.

        Args:
            folder: ``journal/<venue>``.
            first_day: YYYYMMDD; days before it are not read.
            last_day: days behind it are not read; without one it never ends.
        """
        self._folder = folder
        self._first_day = first_day
        self._last_day = last_day
        self._read: dict[Path, int] = {}

    def frames(self) -> Iterator[Frame]:
        """Yield the frames behind the last place, in order; a block that is only half there waits."""
        days = [day for day in sorted(self._folder.glob("????????")) if day.name >= self._first_day]
        for day in days:
            if self._last_day is None or day.name <= self._last_day:
                for path in journal_paths(day):
                    yield from self._frames(path)
        if len(days) > NEWEST:  # nothing is added to older ones any more
            self._first_day = days[-NEWEST].name
            self._read = {path: at for path, at in self._read.items() if path.parent.name >= self._first_day}

    def _frames(self, path: Path) -> Iterator[Frame]:
        offset = self._read.get(path, FILE_HEADER_BYTES)
        if path.stat().st_size <= offset:
            return
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read()
        at = 0
        while (block := journal.block_at(data, at)) is not None:
            at = block.end
            self._read[path] = offset + at
            if not block.is_seal:
                yield from journal.read_block(data, block)
