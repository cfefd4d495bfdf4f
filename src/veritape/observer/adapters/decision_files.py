"""The decision log and the overflow ledger as files: one an hour, complete or not there (OB-306, OB-348, OB-722)."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from veritape.kernel.canonical import canonical_json
from veritape.kernel.clock import NANOSECONDS
from veritape.kernel.files import write_atomically
from veritape.observer.adapters.control_index import ControlIndex
from veritape.observer.track_b import TrackB

WINDOW_S = 3_600
"""Length of a file's window."""

AFTER_S = 5
"""Seconds after a window's end at which its file appears."""


class DecisionFiles:
    """The files of one day; a restarted recorder hands in the day's lines again and writes the same bytes."""

    def __init__(self, folder: Path, day: str, midnight_ns: int, first_s: int, index: ControlIndex) -> None:
        """Begin with the window that holds ``first_s``, the second of the first input."""
        self._folder = folder
        self._day = day
        self._midnight_ns = midnight_ns
        self._next = first_s // WINDOW_S
        self._lines: dict[int, list[bytes]] = {}
        self._index = index

    def add(self, at_ns: int, line: bytes) -> None:
        """Take a line; a window that is written takes none."""
        window = max((at_ns - self._midnight_ns) // NANOSECONDS // WINDOW_S, self._next)
        self._lines.setdefault(window, []).append(line)

    def is_due(self, now_s: int) -> bool:
        """Tell whether a window ended long enough ago."""
        return now_s >= (self._next + 1) * WINDOW_S + AFTER_S

    def write_due(self, now_s: int, written_ns: int) -> None:
        """Write the windows that are over; make their inputs durable first. An empty one makes an empty file."""
        while self.is_due(now_s):
            self._write("decisions", self._next, b"".join(self._lines.pop(self._next, [])), written_ns)
            self._next += 1

    def finish(self, now_s: int, overflow: Iterable[dict[str, Any]], written_ns: int) -> None:
        """Write what is left, and the overflow ledger that is filled now."""
        last = max(now_s // WINDOW_S, *self._lines, self._next)
        self.write_due((last + 1) * WINDOW_S + AFTER_S, written_ns)
        for window, content in _overflow_windows(overflow, self._midnight_ns).items():
            self._write("overflow", window, content, written_ns)

    def _write(self, kind: str, window: int, content: bytes, written_ns: int) -> None:
        path = self._folder / _name(kind, self._day, window)
        write_atomically(path, content)
        self._index.exported(path, kind, self._day, content, written_ns)


def files_of(inputs: Iterable[bytes], day: str, midnight_ns: int) -> dict[str, bytes]:
    """Return name and content of a day's files as its journalled inputs give them (OB-306, OB-512).

    A day that was not closed lacks its last hour and the overflow ledger: they would not be complete.
    """
    engine, windows, last = TrackB(), dict[int, list[bytes]](), 0
    for data in inputs:
        line = engine.take(data).line
        last = (json.loads(data)["at_ns"] - midnight_ns) // NANOSECONDS // WINDOW_S
        windows.setdefault(last, []).extend([line] if line else [])
    if not windows:
        return {}
    complete = range(min(windows), last + engine.closed)
    files = {_name("decisions", day, window): b"".join(windows.get(window, [])) for window in complete}
    if engine.closed:
        rows = (entry.row(day) for entry in engine.overflow.entries)
        for window, content in _overflow_windows(rows, midnight_ns).items():
            files[_name("overflow", day, window)] = content
    return files


def _overflow_windows(rows: Iterable[dict[str, Any]], midnight_ns: int) -> dict[int, bytes]:
    windows: dict[int, list[bytes]] = {}
    for row in rows:
        window = (row["at_ns"] - midnight_ns) // NANOSECONDS // WINDOW_S
        windows.setdefault(window, []).append(canonical_json(row) + b"\n")
    return {window: b"".join(lines) for window, lines in sorted(windows.items())}


def _name(kind: str, day: str, window: int) -> str:
    second = window * WINDOW_S
    return f"{kind}_{day}_{second // 3600:02}{second // 60 % 60:02}.jsonl"
