"""Keep control.db in step with a recording, and build it again from seals, sweeps and journal (OB-561)."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from blake3 import blake3

from veritape.kernel.canonical import canonical_json
from veritape.observer import control
from veritape.observer.adapters.backup.events import backup_rows
from veritape.observer.adapters.backup.records import Records
from veritape.observer.adapters.control_database import ControlDatabase
from veritape.observer.adapters.journal_files import read_journal
from veritape.observer.adapters.seal_files import seal_hash
from veritape.observer.adapters.segment_files import Seal, SegmentStore
from veritape.observer.journal import Kind
from veritape.observer.notes import NoteKind
from veritape.observer.overflow import Entry
from veritape.observer.recorded_days import Anchor
from veritape.observer.track_b import TrackB, replay

INDEXED = {NoteKind.ANCHOR, NoteKind.GAP, NoteKind.OBSERVATION}
"""Notes of the journal that have a row."""


class ControlIndex:
    """The rows that a running recorder writes, one method a fact."""

    def __init__(self, database: ControlDatabase, data: Path, venue: str) -> None:
        self.database = database
        """Where they go."""
        self._data = data
        self._venue = venue

    def swept(self, day: str, manifest: Mapping[str, Any]) -> None:
        """Note a sweep that ended."""
        self.database.put(control.CYCLES, cycle_row(self._venue, day, manifest))

    def sealed(self, seal: Seal) -> None:
        """Note a sealed segment."""
        self.database.put(control.SEALS, seal_row(self._data, seal))

    def anchored(self, day: str, code: str, anchor: Anchor) -> None:
        """Note the end of a line."""
        facts = anchor._asdict() | {"agreed": int(anchor.agreed)}
        self.database.put(control.ANCHORS, {"venue": self._venue, "day": day, "code": code, **facts})

    def observed(self, day: str, name: str, value: str, observed_ns: int) -> None:
        """Note a number that was measured on the account (OB-007)."""
        row = {"name": name, "day": day, "value": value, "observed_ns": observed_ns}
        self.database.put(control.OBSERVATIONS, row)

    def gap(self, gap: Mapping[str, Any]) -> None:
        """Note a gap as it was when it opened, or when it closed."""
        names = control.GAPS.names[:-1]
        document = {"document": canonical_json(dict(gap)).decode()}
        self.database.put(control.GAPS, {name: gap[name] for name in names} | document)

    def exported(self, path: Path, kind: str, day: str, content: bytes, written_ns: int) -> None:
        """Note a file in ``export/``."""
        self.database.put(
            control.EXPORTS,
            {
                "path": str(path.relative_to(self._data)), "kind": kind, "day": day, "lines": content.count(b"\n"),
                "bytes": len(content), "blake3": blake3(content).hexdigest(), "written_ns": written_ns,
            },
        )  # fmt: skip

    def backed_up(self) -> None:
        """Note every manifest that was written (OB-754)."""
        self.database.put(control.BACKUPS, *backup_rows(Records(self._data)))

    def chosen(self, engine: TrackB) -> None:
        """Note which codes are wanted."""
        rows = [
            {
                "day": engine.day,
                "priority": place,
                "code": code,
                "pinned": int(engine.seats.held[code].pinned),
            }
            for place, code in enumerate(engine.wanted)
        ]
        self.database.replace(control.WANTED, rows, day=engine.day)

    def turned_away(self, day: str, entries: Iterable[Entry]) -> None:
        """Note candidates that got no slot."""
        rows = [entry.row(day) for entry in entries]
        if rows:
            self.database.put(control.OVERFLOW, *rows)

    def rebuild(self) -> None:
        """Fill an empty database from what lies in the data directory."""
        for folder in sorted((self._data / "journal" / self._venue).glob("????????")):
            engine, _ = replay(journalled_inputs(folder, folder.name))
            if engine.begun:
                self.chosen(engine)
                self.turned_away(engine.day, engine.overflow.entries)
        self.backed_up()
        for seal in SegmentStore(self._data, self._venue).seals():
            self.sealed(seal)
        for path in sorted((self._data / "sweeps" / f"venue={self._venue}").glob("day=*/*.json")):
            self.swept(path.parent.name.removeprefix("day="), json.loads(path.read_bytes()))
        for received_ns, note in journalled_notes(self._data / "journal" / self._venue, INDEXED):
            if note["note"] == NoteKind.ANCHOR:
                values = (note["chain_shares"], note["chain_value"], note["taken_ns"], bool(note["agreed"]))
                self.anchored(note["day"], note["code"], Anchor(*values))
            elif note["note"] == NoteKind.GAP:
                self.gap(note["gap"])
            else:
                self.observed(note["day"], note["name"], note["value"], received_ns)


def journalled_notes(folder: Path, kinds: set[NoteKind]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the recorder's own notes of some kinds below a journal folder, each with its receive time."""
    starts = tuple(b'"note":"' + kind.encode() + b'"' for kind in sorted(kinds))
    for _, _, frame in read_journal(folder):
        if frame.kind is Kind.NOTE and any(start in frame.data for start in starts):
            note = json.loads(frame.data)
            if note["note"] in kinds:
                yield frame.received_ns, note


def journalled_inputs(folder: Path, day: str) -> Iterator[bytes]:
    """Yield the trigger engine's inputs of a day below a journal folder, as they were journalled."""
    marks = (b'"note":"' + NoteKind.TRACK_B.encode() + b'"', b'"day":"' + day.encode() + b'"')
    for _, _, frame in read_journal(folder):
        if frame.kind is Kind.NOTE and all(mark in frame.data for mark in marks):
            yield bytes(frame.data)


def cycle_row(venue: str, day: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a sweep's row."""
    names = (
        "kind",
        "cycle",
        "grid_ns",
        "started_ns",
        "ended_ns",
        "expected",
        "received",
        "calls",
        "parquet_blake3",
    )
    return {"venue": venue, "day": day, **{name: manifest[name] for name in names}}


def seal_row(data: Path, seal: Seal) -> dict[str, Any]:
    """Return a sealed segment's row."""
    document = seal.document
    return {
        **{name: document[name] for name in ("venue", "day", "hour", "part", "rows", "bytes", "blake3")},
        "path": str(seal.path.relative_to(data)),
        "seal_blake3": seal_hash(seal.path),
    }
