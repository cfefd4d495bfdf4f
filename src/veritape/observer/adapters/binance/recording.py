"""A Binance recording on disk as one thing: rebuilt from its journal, sealed by the hour, audited by the UTC day.

Journal folders are days of our clock, lines are days of the venue's: around midnight, and as far as the clocks differ, a
line's messages lie in its neighbours' folders, so a day is always read with them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veritape.observer.adapters import checkpoints
from veritape.observer.adapters.binance.fill_files import FillFiles
from veritape.observer.adapters.binance.segment_files import BinanceSegments
from veritape.observer.adapters.checkpoints import Checkpoint
from veritape.observer.adapters.journal_files import is_open, journal_paths, read_file
from veritape.observer.adapters.segment_files import Seal
from veritape.observer.binance import statements
from veritape.observer.binance.recorder import HOUR_US, BinanceRecorder, Row
from veritape.observer.binance.segments import last_ids
from veritape.observer.binance.statements import VENUE
from veritape.observer.binance.trade_ids import DAY_US, day_start_us, utc_day
from veritape.observer.journal import Frame
from veritape.observer.recorder import Applied


@dataclass
class BinanceRecording:
    """The data folder with the recorder that belongs to it."""

    data: Path
    """Data directory."""
    recorder: BinanceRecorder = field(default_factory=BinanceRecorder)
    """Rebuilt from the journal by ``load``."""

    def __post_init__(self) -> None:
        self.segments = BinanceSegments(self.data)
        self.fills = FillFiles(self.data)
        self._before: dict[str, int] = {}
        self._blocks: dict[tuple[str, str], list[int]] = {}
        self._place: tuple[str, str, int] | None = None

    @property
    def venue(self) -> str:
        """Return the venue's name."""
        return VENUE

    @property
    def journal_folder(self) -> Path:
        """Return where the venue's journal lies."""
        return self.data / "journal" / VENUE

    def days(self) -> list[str]:
        """Return every day with a journal, and every day of which a trade is sealed."""
        folders = {folder.name for folder in self.journal_folder.glob("????????")}
        return sorted(folders.union(self.segments.days()))

    def load(self, days: Iterable[str] | None = None, *, finished_only: bool = False) -> int:
        """Rebuild the recorder from the journal, of some days with their neighbours or all; return the frames read.

        Args:
            days: which.
            finished_only: leave out the file that is being written.
        """
        return sum(self.loading(self.days() if days is None else days, finished_only=finished_only))

    def loading(
        self, days: Iterable[str], checkpoint: Checkpoint | None = None, *, finished_only: bool = False
    ) -> Iterator[int]:
        """Return what rebuilds the recorder step by step: each turn reads a block and gives the number of its frames.

        Args:
            days: whose journal files, and their neighbours'; those that there are now, not what is written meanwhile.
            checkpoint: a state from which to go on, when it is of these files and of this program.
            finished_only: leave out the file that is being written.
        """
        wanted = {utc_day(day_start_us(day) + step * DAY_US) for day in days for step in (-1, 0, 1)}
        folders = sorted(self.journal_folder.glob("????????"))
        chosen = [folder for folder in folders if folder.name in wanted]
        paths = [path for folder in chosen for path in journal_paths(folder)]
        paths = [path for path in paths if not (finished_only and is_open(path))]
        return self._loading(paths, checkpoint, begins=chosen[:1] == folders[:1])

    def apply_all(self, frames: Sequence[Frame]) -> Iterator[tuple[Frame, Applied]]:
        """Hand durable frames to the recorder; return what each did."""
        return ((frame, self.recorder.apply(frame)) for frame in frames)

    def checkpoint(self) -> Checkpoint | None:
        """Return the present state with its place in the journal; None before the first block."""
        if self._place is None:
            return None
        state = (vars(self.recorder), self._before, self._blocks)
        return Checkpoint(*self._place, checkpoints.encode(state))

    def _loading(self, paths: list[Path], checkpoint: Checkpoint | None, *, begins: bool) -> Iterator[int]:
        first, after = self._resume(paths, checkpoint)
        for path in paths[first:]:
            for block, frames in read_file(path, after if path == paths[first] else -1):
                for frame in frames:
                    self.recorder.apply(frame)
                self.note_block(path.parent.name, path.name, block.number)
                yield len(frames)
        if paths and not begins:
            self.recorder.forget_before(paths[0].parent.name)  # of the day before it only the end was read
        for seal in self.segments.seals():
            for code, line in seal.document["lines"].items():
                self._before[code] = max(self._before.get(code, 0), line["last"]["trade_id"])
        for day, hour in {seal.key[:2] for seal in self.segments.seals()}:
            if day in self.recorder.days:
                self.recorder.forget_sealed(day, hour, self.segments.sealed_ids(day, hour))

    def _resume(self, paths: list[Path], checkpoint: Checkpoint | None) -> tuple[int, int]:
        """Take a checkpoint's state; return the index of the file and the block after which to read on."""
        resumed = checkpoints.resume(checkpoint, paths)
        if resumed is None:
            return 0, -1
        recorder, self._before, self._blocks = resumed.state
        vars(self.recorder).update(recorder)
        return resumed.first, resumed.after

    def note_block(self, day: str, file: str, number: int) -> None:
        """Remember that a journal block holds trades of the days that were touched since the last call."""
        self._place = (day, file, number)
        for touched in self.recorder.take_touched():
            span = self._blocks.setdefault((touched, f"{day}/{file}"), [number, number])
            span[0], span[1] = min(span[0], number), max(span[1], number)

    def forget_before(self, day: str) -> None:
        """Let go what is in memory of the days before one that is closed."""
        self.recorder.forget_before(day)
        self._blocks = {key: span for key, span in self._blocks.items() if key[0] >= day}

    def seal_due(self, day: str, delay_s: int, *, all_hours: bool = False) -> list[Seal]:
        """Seal the hours that ended ``delay_s`` ago by the venue's clock, or all of a day's; return the new seals."""
        if day not in self.recorder.days:
            return []
        passed_us = self.recorder.venue_us - day_start_us(day) - delay_s * 1_000_000
        hours = sorted(self.recorder.days[day].rows)
        due = [hour for hour in hours if all_hours or passed_us >= (hour + 1) * HOUR_US]
        return [self._seal(day, hour) for hour in due]

    def days_over(self, delay_s: int) -> list[str]:
        """Return the days in memory that ended ``delay_s`` ago by the venue's clock and are not closed."""
        now_us = self.recorder.venue_us - delay_s * 1_000_000
        return [
            day
            for day, found in sorted(self.recorder.days.items())
            if found.closed_ns is None and day_start_us(day) + DAY_US <= now_us
        ]

    def write_fills(self, day: str) -> Path | None:
        """Write the fetched trades of a day; return the new file, None when there is nothing new."""
        found = self.recorder.days.get(day)
        return self.fills.write(day, found.filled) if found else None

    def audit(self, day: str, generated_ns: int, codes: Iterable[str] | None = None) -> dict[str, Any]:
        """Return the audit document of a day."""
        return statements.document(self.recorder, day, generated_ns, codes)

    def _seal(self, day: str, hour: int) -> Seal:
        rows = self.recorder.take_rows(day, hour)
        blocks = [
            {"file": file, "first_block": span[0], "last_block": span[1]}
            for (of_day, file), span in sorted(self._blocks.items())
            if of_day == day
        ]
        seal = self.segments.seal(day, hour, rows, self._before, blocks)
        self._remember_ends(rows)
        return seal

    def _remember_ends(self, rows: list[Row]) -> None:
        for code, trade_id in last_ids(rows).items():
            self._before[code] = max(self._before.get(code, 0), trade_id)
