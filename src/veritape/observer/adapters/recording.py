"""A recording on disk as one thing: recover it, rebuild the recorder from its journal, seal what is due, audit it.

``veritape record`` keeps one open while it runs; ``veritape audit``, the gateway's reader and the executor open the same
folder read-only.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veritape.observer import audit
from veritape.observer.adapters.book_files import BookStore
from veritape.observer.adapters.journal_files import read_journal
from veritape.observer.adapters.segment_files import Seal, SegmentStore
from veritape.observer.recorder import Day, Recorder, Row
from veritape.observer.segments import Before, chain_ends

SWEEPS = ("cycles", "expected", "received", "missing")
"""Figures of the sweeps that an audit shows."""


@dataclass
class Recording:
    """One venue's data folder with the recorder that belongs to it."""

    data: Path
    """Data directory."""
    venue: str = "KRX"
    """Whose trades."""
    recorder: Recorder = field(init=False)
    """Rebuilt from the journal by ``load``."""

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.venue)
        self.segments = SegmentStore(self.data, self.venue)
        self.books = BookStore(self.data, self.venue)
        self._before: dict[str, dict[str, Before]] = {}
        self._blocks: dict[tuple[str, str], list[int]] = {}

    @property
    def journal_folder(self) -> Path:
        """Return where the venue's journal lies."""
        return self.data / "journal" / self.venue

    def load(self, days: Iterable[str] | None = None) -> int:
        """Rebuild the recorder from the journal, of some days or all; return the frames read.

        Rows that a segment already holds are dropped, so that nothing is sealed twice.
        """
        frames = 0
        folders = (
            sorted(self.journal_folder.glob("????????"))
            if days is None
            else [self.journal_folder / d for d in days]
        )
        for folder in folders:
            for path, block, frame in read_journal(folder):
                self.recorder.apply(frame)
                self.note_block(folder.name, path.name, block.number)
                frames += 1
        for seal in self.segments.seals():
            day, hour, _ = seal.key
            if day in self.recorder.days:
                self._remember_ends(day, self.recorder.days[day].rows.get(hour, []))
        for day, hour in {seal.key[:2] for seal in self.segments.seals()}:
            self.recorder.forget_sealed(day, hour, self.segments.sealed_keys(day, hour))
        for name, statement in self.recorder.days.items():
            waiting = statement.books.hours
            for hour in {seal["hour"] for seal in self.books.seals(name)} & waiting.keys():
                waiting[hour] = self.books.unsealed(name, hour, waiting[hour])
        return frames

    def note_block(self, day: str, file: str, number: int) -> None:
        """Remember that a journal block holds frames of a day."""
        span = self._blocks.setdefault((day, file), [number, number])
        span[0], span[1] = min(span[0], number), max(span[1], number)

    def seal_due(self, day: str, now_s: int, delay_s: int, *, all_hours: bool = False) -> list[Seal]:
        """Seal the hours that ended ``delay_s`` ago and that the stream has left, or all of a day's.

        An hour whose end the stream has not passed may still be on its way, however late the clock is.

        Returns:
            The new seals.
        """
        if day not in self.recorder.days:
            return []
        hours = sorted(self.recorder.days[day].rows)
        latest = max((line.end.event_s for line in self.recorder.days[day].lines.values()), default=0) // 3600
        due = [
            hour for hour in hours if all_hours or (hour < latest and now_s >= (hour + 1) * 3600 + delay_s)
        ]
        return [self._seal(day, hour) for hour in due]

    def seal_books_due(self, day: str, now_s: int, delay_s: int, *, all_hours: bool = False) -> list[Path]:
        """Seal the order books of hours that are over, or all of a day's; return the new files."""
        if day not in self.recorder.days:
            return []
        waiting = self.recorder.days[day].books.hours
        due = [hour for hour in sorted(waiting) if all_hours or now_s >= (hour + 1) * 3600 + delay_s]
        return [self.books.write(day, hour, rows) for hour in due if (rows := waiting.pop(hour)).codes]

    def audit(self, day: str, generated_ns: int, codes: Iterable[str] | None = None) -> dict[str, Any]:
        """Return the audit document of a day."""
        statement = self.recorder.days.get(day) or Day(day)
        return audit.document(statement, self.venue, generated_ns, self.sweep_figures(day), codes)

    def sweep_figures(self, day: str) -> dict[str, int]:
        """Add up the sweep manifests of a day."""
        figures = dict.fromkeys(SWEEPS, 0)
        for path in sorted((self.data / "sweeps" / f"venue={self.venue}" / f"day={day}").glob("*.json")):
            manifest = json.loads(path.read_bytes())
            if manifest["kind"] == "grid":
                figures["cycles"] += 1
                figures["expected"] += manifest["expected"]
                figures["received"] += manifest["received"]
                figures["missing"] += len(manifest["missing"])
        return figures

    def days(self) -> list[str]:
        """Return every day with a journal."""
        return [folder.name for folder in sorted(self.journal_folder.glob("????????"))]

    def _seal(self, day: str, hour: int) -> Seal:
        rows = self.recorder.take_rows(day, hour)
        before = self._before.setdefault(day, {})
        blocks = [
            {"file": file, "first_block": span[0], "last_block": span[1]}
            for (of_day, file), span in sorted(self._blocks.items())
            if of_day == day
        ]
        seal = self.segments.write(day, hour, rows, before, blocks)
        self._remember_ends(day, rows)
        return seal

    def _remember_ends(self, day: str, rows: list[Row]) -> None:
        ends = self._before.setdefault(day, {})
        for code, end in chain_ends(rows).items():
            known = ends.get(code)
            if known is None or (end.epoch, end.chain_shares) > (known.epoch, known.chain_shares):
                ends[code] = end
