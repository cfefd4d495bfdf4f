"""Window files in ``export/``: written once each while the recorder runs, and again from the journal when somebody asks."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import zstandard
from pyarrow import parquet

from veritape.kernel.files import write_atomically
from veritape.observer import exports
from veritape.observer.adapters.journal_tail import NEWEST, JournalTail
from veritape.observer.adapters.quarantine import unread_frames
from veritape.observer.binance.exports import trade_line as binance_line
from veritape.observer.binance.recorder import BinanceRecorder
from veritape.observer.binance.statements import VENUE as BINANCE
from veritape.observer.exports import ExportKind, Window, Windows
from veritape.observer.recorder import KST_NS, Recorder

ZSTD_LEVEL = 3
"""Compression of ``.jsonl.zst``."""

LAST_DAY = "99999999"
"""Behind every day."""

Written = Callable[[Path, str, str, bytes], None]
"""Told of a file that was written: path, kind, day, content."""


@dataclass(frozen=True)
class ExportFolder:
    """Where window files lie."""

    folder: Path
    """The folder ``export/``, or another."""
    compress: bool = False
    """Write ``.jsonl.zst``."""

    def path(self, window: Window) -> Path:
        """Return where a window lies."""
        return self.folder / (f"{window.name}.zst" if self.compress else window.name)

    def content(self, window: Window) -> bytes:
        """Return its bytes: the same for the same window."""
        return (
            zstandard.ZstdCompressor(ZSTD_LEVEL).compress(window.content) if self.compress else window.content
        )

    def write(self, window: Window, written: Written) -> bool:
        """Write a window unless it is there; tell whether it was written."""
        path = self.path(window)
        if path.exists():
            return False
        content = self.content(window)
        write_atomically(path, content)
        written(path, window.kind.value, window.day, content)
        return True


class Exporter:
    """Reads the journal behind its writer and hands out finished windows."""

    def __init__(
        self,
        data: Path,
        venue: str,
        first_day: str,
        kinds: tuple[ExportKind, ...],
        last_day: str | None = None,
    ) -> None:
        """Begin at a day.

        Args:
            data: data directory.
            venue: whose recording.
            first_day: YYYYMMDD; nothing of earlier days is read.
            kinds: what is exported.
            last_day: nothing of later days is read.
        """
        self._data = data
        self._sweeps_folder = data / "sweeps" / f"venue={venue}"
        self._days = (f"day={first_day}", f"day={last_day or LAST_DAY}")
        self._tail = JournalTail(data / "journal" / venue, first_day, last_day)
        is_utc = venue == BINANCE
        self._recorder: Recorder | BinanceRecorder | None = None
        if ExportKind.SCALP in kinds:
            self._recorder = BinanceRecorder() if is_utc else Recorder(venue)
        self._seen: set[Path] = set()
        self.windows = Windows(kinds, ahead_ns=0 if is_utc else KST_NS, never_closed=is_utc)
        """What is being filled."""
        self.stopped = False
        """Set when the process is to end: reading stops."""

    def finished(self, now_ns: int) -> list[Window]:
        """Return the windows that are complete at a moment."""
        if isinstance(self._recorder, Recorder):
            self._recorder.condemned |= unread_frames(self._data / "quarantine")
        for frame in self._tail.frames():
            if self.stopped:
                return []
            self.windows.frame(frame)
            if self._recorder is not None and self._recorder.apply(frame).recorded:
                self.windows.trades(self._taken())
        self._forget()
        if ExportKind.SWING in self.windows.kinds:
            for manifest, rows in self._sweeps():
                self.windows.sweep(manifest["ended_ns"], rows)
        return self.windows.due(now_ns)

    def _taken(self) -> Iterator[bytes]:
        """Yield the lines of the trades that the last frame recorded, and forget them."""
        if isinstance(self._recorder, Recorder):
            for day in self._recorder.days.values():
                yield from (exports.trade_line(row) for rows in day.rows.values() for row in rows)
                day.rows.clear()
        elif self._recorder is not None:
            for utc_day in self._recorder.days.values():
                yield from (binance_line(row) for rows in utc_day.rows.values() for row in rows)
                utc_day.rows.clear()

    def _forget(self) -> None:
        """Let go of days that are over: a recorder runs for months."""
        if self._recorder is not None:
            for day in sorted(self._recorder.days)[:-NEWEST]:
                del self._recorder.days[day]

    def _sweeps(self) -> Iterator[tuple[Mapping[str, Any], list[dict[str, Any]]]]:
        """Yield the sweeps that ended since the last call, in the order in which they did."""
        first, last = self._days
        folders = [
            folder for folder in sorted(self._sweeps_folder.glob("day=*")) if first <= folder.name <= last
        ]
        paths = [path for folder in folders for path in sorted(folder.glob("*.json"))]
        new = (path for path in paths if path not in self._seen)
        found = [(json.loads(path.read_bytes()), path.with_suffix(".parquet")) for path in new]
        self._seen = set(paths)
        if len(folders) > NEWEST:
            self._days = (folders[-NEWEST].name, last)
        for manifest, rows in sorted(found, key=lambda one: (one[0]["ended_ns"], one[1])):
            if manifest["received"]:
                yield manifest, parquet.read_table(rows, partitioning=None).to_pylist()


class Rebuilt(NamedTuple):
    """What rebuilding a day's windows gave."""

    written: tuple[str, ...]
    """Files that were not there."""
    same: int
    """Files that were there with the same bytes."""
    different: tuple[str, ...]
    """Files that were there with others."""

    def joined(self, other: "Rebuilt") -> "Rebuilt":
        """Add what rebuilding other files gave."""
        return Rebuilt(self.written + other.written, self.same + other.same, self.different + other.different)


NOTHING = Rebuilt((), 0, ())
"""Nothing was rebuilt."""


def place(files: Mapping[str, bytes], folder: Path) -> Rebuilt:
    """Write the files that are not in a folder, compare those that are."""
    written, different, same = [], [], 0
    for name, content in files.items():
        path = folder / name
        if not path.exists():
            write_atomically(path, content)
            written.append(name)
        elif path.read_bytes() == content:
            same += 1
        else:
            different.append(name)
    return Rebuilt(tuple(written), same, tuple(different))


def rebuild(
    data: Path, venue: str, day: str, kinds: tuple[ExportKind, ...], into: ExportFolder, now_ns: int
) -> Rebuilt:
    """Make a day's windows again from the journal, beside those that are there (OB-512, OB-721)."""
    days = [folder.name for folder in (data / "journal" / venue).glob("????????")]
    before = max(
        (one for one in days if one < day), default=day
    )  # a block that began before midnight lies there
    first, last = before if venue == BINANCE else day, min((one for one in days if one > day), default=day)
    exporter = Exporter(data, venue, first, kinds, last)
    windows = (window for window in exporter.finished(now_ns) if window.day == day)
    return place({into.path(window).name: into.content(window) for window in windows}, into.folder)
