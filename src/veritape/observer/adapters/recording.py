"""A recording on disk as one thing: recover it, rebuild the recorder from its journal, seal what is due, audit it.

``veritape record`` keeps one open while it runs; ``veritape audit``, the gateway's reader and the executor open the same
folder read-only.
"""

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veritape.observer import audit
from veritape.observer.adapters import checkpoints
from veritape.observer.adapters.backfill_files import TRADES, BackfillFiles
from veritape.observer.adapters.batch_audit import batch_audit, minute_bars
from veritape.observer.adapters.book_files import BookStore
from veritape.observer.adapters.checkpoints import Checkpoint
from veritape.observer.adapters.journal_files import journal_paths, read_file
from veritape.observer.adapters.quarantine import unread_frames
from veritape.observer.adapters.segment_columns import chain_ends, sorted_table
from veritape.observer.adapters.segment_files import Seal, SegmentStore
from veritape.observer.adapters.trade_look_up import TradeLookUp
from veritape.observer.agreement import NOTHING, differences
from veritape.observer.audit import Evidence
from veritape.observer.bars import MINUTE_S
from veritape.observer.batches import apply_all
from veritape.observer.hour_ends import HOUR_S, is_over
from veritape.observer.journal import Frame
from veritape.observer.picture import SETTLE_S, Span, svg
from veritape.observer.recorded_days import Day
from veritape.observer.recorder import Applied, Recorder
from veritape.observer.segments import Before


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
        self._trades = TradeLookUp(self.segments, self.recorder)
        self.recorder.look_up = self._trades
        self.books = BookStore(self.data, self.venue)
        self.backfill = BackfillFiles(self.data, self.venue)
        self._before: dict[str, dict[str, Before]] = {}
        self._blocks: dict[tuple[str, str], list[int]] = {}
        self._place: tuple[str, str, int] | None = None

    @property
    def journal_folder(self) -> Path:
        """Return where the venue's journal lies."""
        return self.data / "journal" / self.venue

    def load(self, days: Iterable[str] | None = None) -> int:
        """Rebuild the recorder from the journal, of some days or all; return the frames read.

        Rows that a segment already holds are dropped, so that nothing is sealed twice.
        """
        return sum(self.loading(self.days() if days is None else days))

    def loading(self, days: Iterable[str], checkpoint: Checkpoint | None = None) -> Iterator[int]:
        """Return what rebuilds the recorder step by step: each turn reads a block and gives the number of its frames.

        Args:
            days: whose journal files; those that there are now, not what is written meanwhile.
            checkpoint: a state from which to go on, when it is of these files and of this program.
        """
        folders = [self.journal_folder / day for day in days]
        paths = [path for folder in folders for path in journal_paths(folder)]
        return self._loading(folders, paths, checkpoint)

    def checkpoint(self) -> Checkpoint | None:
        """Return the present state with its place in the journal; None before the first block."""
        if self._place is None:
            return None
        day, file, block = self._place
        days = {day: self.recorder.days[day]} if day in self.recorder.days else {}
        state = (vars(self.recorder) | {"days": days, "look_up": None}, self._before, self._blocks)
        return Checkpoint(day, file, block, checkpoints.encode(state))

    def _loading(
        self, folders: list[Path], paths: list[Path], checkpoint: Checkpoint | None
    ) -> Iterator[int]:
        place = self._resume(paths, checkpoint)
        self.recorder.condemned |= unread_frames(self.data / "quarantine")
        for path in paths[place[0] :]:
            for block, frames in read_file(path, place[1] if path == paths[place[0]] else -1):
                deque(self.apply_all(frames), maxlen=0)
                self.note_block(path.parent.name, path.name, block.number)
                yield len(frames)
        self._forget_sealed(folders)

    def _resume(self, paths: list[Path], checkpoint: Checkpoint | None) -> tuple[int, int]:
        """Take a checkpoint's state; return the index of the file and the block after which to read on."""
        resumed = checkpoints.resume(checkpoint, paths)
        if resumed is None:
            return 0, -1
        recorder, self._before, self._blocks = resumed.state
        vars(self.recorder).update(recorder | {"look_up": self.recorder.look_up})
        return resumed.first, resumed.after

    def _forget_sealed(self, folders: list[Path]) -> None:
        """Drop rows that a file holds already; take what was fetched."""
        for seal in self.segments.seals():
            day, hour, _ = seal.key
            if day in self.recorder.days and (rows := self.recorder.days[day].rows.get(hour)):
                self._remember_ends(day, chain_ends(sorted_table(rows)))
        for day, hour in {
            seal.key[:2] for seal in self.segments.seals() if seal.key[0] in self.recorder.days
        }:
            self.recorder.forget_sealed(day, hour, self.segments.sealed_keys(day, hour))
        for name, statement in self.recorder.days.items():
            waiting = statement.books.hours
            for hour in {seal["hour"] for seal in self.books.seals(name)} & waiting.keys():
                waiting[hour] = self.books.unsealed(name, hour, waiting[hour])
        for folder in folders:
            self.read_backfill(folder.name)

    def read_backfill(self, day: str) -> None:
        """Take what was fetched for a day: it counts as soon as its file is there."""
        found = self.recorder.day(day)
        found.fetched, found.bars = self.backfill.trades(day), self.backfill.bars(day)

    def apply_all(self, frames: Sequence[Frame]) -> Iterator[tuple[Frame, Applied]]:
        """Hand durable frames to the recorder; return what they did, of several together with the last of them."""
        return apply_all(self.recorder, frames)

    def note_block(self, day: str, file: str, number: int) -> None:
        """Remember that a journal block holds frames of a day."""
        self._place = (day, file, number)
        span = self._blocks.setdefault((day, file), [number, number])
        span[0], span[1] = min(span[0], number), max(span[1], number)

    def forget_before(self, day: str) -> None:
        """Let go what is in memory of the days before one that begins, but a day whose rows wait for their segment."""
        self.recorder.forget_before(day)
        self._trades.forget_before(day)
        kept = self.recorder.days.keys()
        self._before = {of: ends for of, ends in self._before.items() if of in kept or of >= day}
        self._blocks = {key: span for key, span in self._blocks.items() if key[0] in kept or key[0] >= day}

    def seal_due(self, day: str, now_s: int, delay_s: int, *, all_hours: bool = False) -> list[Seal]:
        """Seal the hours that ended ``delay_s`` ago and that the stream has left, or all of a day's.

        Returns:
            The new seals.
        """
        if day not in self.recorder.days:
            return []
        found = self.recorder.days[day]
        reached = [line.end.event_s for line in found.lines.values()]
        due = [hour for hour in sorted(found.rows) if all_hours or is_over(hour, reached, now_s, delay_s)]
        return [self._seal(day, hour) for hour in due]

    def seal_books_due(self, day: str, now_s: int, delay_s: int, *, all_hours: bool = False) -> list[Path]:
        """Seal the order books of hours that are over, or all of a day's; return the new files."""
        if day not in self.recorder.days:
            return []
        found = self.recorder.days[day]
        waiting = found.books.hours
        reached = [line.end.event_s for line in found.lines.values()] + [hour * HOUR_S for hour in waiting]
        due = [hour for hour in sorted(waiting) if all_hours or is_over(hour, reached, now_s, delay_s)]
        return [self.books.write(day, hour, rows) for hour in due if (rows := waiting.pop(hour)).codes]

    def audit(
        self, day: str, generated_ns: int, codes: Iterable[str] | None = None, *, backup_failed: bool = False
    ) -> dict[str, Any]:
        """Return the audit document of a day."""
        found, manifests = self.recorder.days.get(day) or Day(day), self.manifests(day)
        evidence = self.evidence(found)._replace(manifests=manifests, backup_failed=backup_failed)
        return audit.document(found, self.venue, generated_ns, sweep_figures(manifests), codes, evidence)

    def statement(self, day: str, generated_ns: int) -> tuple[dict[str, Any], bytes]:
        """Return the audit document of a day and its picture."""
        document = self.audit(day, generated_ns)
        return document, self.picture(document)

    def picture(self, document: Mapping[str, Any]) -> bytes:
        """Return the picture of an audited day (OB-679)."""
        day = self.recorder.day(document["day"])
        latest = max((line.end.event_s for line in day.lines.values()), default=0)
        span = Span(day.open_s, day.close_s, day.close_s + SETTLE_S if day.closed else latest + 1)
        return svg(document, self.minute_shares(day), span)

    def minute_shares(self, day: Day) -> dict[str, dict[int, int]]:
        """Return code -> first second of a minute -> recorded shares, sealed or not."""
        bars = minute_bars([seal.path for seal in self.segments.seals(day.day)])
        minutes = {code: {minute: bar.shares for minute, bar in own.items()} for code, own in bars.items()}
        for row in (row for rows in day.rows.values() for row in rows):
            own, minute = minutes.setdefault(row.trade.code, {}), row.trade.event_s // MINUTE_S * MINUTE_S
            own[minute] = own.get(minute, 0) + row.trade.shares
        return minutes

    def evidence(self, day: Day) -> Evidence:
        """Return what the day's files say: recorded shares a minute, and the objections of the second ledger.

        The second ledger has a say once every trade of the day is sealed (OB-681).
        """
        files = [seal.path for seal in self.segments.seals(day.day)]
        minutes = self.minute_shares(day) if day.bars else {}
        if not day.closed or any(day.rows.values()):
            return Evidence(minutes)
        batch = batch_audit(files, self.backfill.paths(TRADES, day.day), day.anchors)
        objections = {
            code: differences(audit.state(day, code), batch.get(code, NOTHING)) for code in sorted(day.lines)
        }
        quiet = {code: line.quiet for code, line in batch.items()}
        return Evidence(minutes, objections, quiet=quiet)

    def manifests(self, day: str) -> list[dict[str, Any]]:
        """Return the manifests of the day's grid, in order."""
        found = [json.loads(path.read_bytes()) for path in self._manifest_paths(day)]
        return [manifest for manifest in found if manifest["kind"] == "grid"]

    def sweeps_ended(self, day: str) -> int:
        """Return how many sweeps of a day have a manifest, of any kind."""
        return len(self._manifest_paths(day))

    def _manifest_paths(self, day: str) -> list[Path]:
        folder = self.data / "sweeps" / f"venue={self.venue}" / f"day={day}"
        return sorted(folder.glob("*.json"))

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
        self._remember_ends(day, seal.ends)
        return seal

    def _remember_ends(self, day: str, new: Mapping[str, Before]) -> None:
        ends = self._before.setdefault(day, {})
        for code, end in new.items():
            known = ends.get(code)
            if known is None or (end.epoch, end.chain_shares) > (known.epoch, known.chain_shares):
                ends[code] = end


def sweep_figures(manifests: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Add up the manifests of a day's grid: cycles, and codes expected, received and missing."""
    figures = {"cycles": 0, "expected": 0, "received": 0, "missing": 0}
    for manifest in manifests:
        figures["cycles"] += 1
        figures["expected"] += manifest["expected"]
        figures["received"] += manifest["received"]
        figures["missing"] += len(manifest["missing"])
    return figures
