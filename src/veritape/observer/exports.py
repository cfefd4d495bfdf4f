"""Window files for people who read lines: trades a minute, sweeps ten minutes, events an hour (OB-721, OB-722).

A window holds what the frames received in it did: the trades that they recorded, the sweeps that ended, the recorder's own
events. It is decided by the journal alone, so that a rebuilt file has the bytes of the first one. An empty window of the
session is written too, but only when the journal shows that the recorder ran then: a window that is absent was not run.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from veritape.kernel.canonical import canonical_json
from veritape.kernel.clock import NANOSECONDS
from veritape.observer.journal import Frame, Kind
from veritape.observer.notes import NoteKind
from veritape.observer.recorder import KST_NS
from veritape.observer.rows import Row

SETTLE_NS: Final = 5 * NANOSECONDS
"""How long after its end a window waits for what is on its way to the disk."""

MINUTE_NS: Final = 60 * NANOSECONDS
"""Nanoseconds in a minute."""

INPUTS: Final = {NoteKind.TRACK_B.value}
"""Notes that are data and no events."""


class ExportKind(StrEnum):
    """Kinds of window files, by the names of the users' own documents."""

    SWING = "swing"
    """Rows of the sweeps, ten minutes."""
    SCALP = "scalp"
    """Recorded trades, one minute."""
    SYSTEM = "system"
    """The recorder's notes and connection events, sixty minutes."""


LENGTH_NS: Final = {
    ExportKind.SWING: 10 * MINUTE_NS,
    ExportKind.SCALP: MINUTE_NS,
    ExportKind.SYSTEM: 60 * MINUTE_NS,
}
"""Kind -> length of its windows."""


class Window(NamedTuple):
    """One finished window."""

    kind: ExportKind
    """What it holds."""
    start_ns: int
    """Its beginning, wall clock."""
    lines: tuple[bytes, ...]
    """JSON objects in the order in which they happened."""
    ahead_ns: int = KST_NS
    """By how much the clock that names it is ahead of UTC: Seoul's, or 0 for a venue of UTC days."""

    @property
    def name(self) -> str:
        """Return the file's name without the suffix of a compression: kind, day and time of the start."""
        local = datetime.fromtimestamp((self.start_ns + self.ahead_ns) // NANOSECONDS, UTC)
        return f"{self.kind}_{local:%Y%m%d_%H%M}.jsonl"

    @property
    def day(self) -> str:
        """Return the date of its start, YYYYMMDD."""
        return self.name.split("_")[1]

    @property
    def content(self) -> bytes:
        """Return the file's bytes: one JSON object a line."""
        return b"".join(line + b"\n" for line in self.lines)


class Windows:
    """Windows of some kinds, filled in the order of the journal."""

    def __init__(
        self, kinds: Iterable[ExportKind], *, ahead_ns: int = KST_NS, never_closed: bool = False
    ) -> None:
        """Begin without any.

        Args:
            kinds: what is exported.
            ahead_ns: by how much the clock of the windows is ahead of UTC.
            never_closed: whether the venue has no sessions: it is always open.
        """
        self.kinds = tuple(kinds)
        """What is exported."""
        self._ahead_ns = ahead_ns
        self._never_closed = never_closed
        self._lines: dict[tuple[ExportKind, int], list[bytes]] = {}
        self._next: dict[ExportKind, int] = {}
        self._runs: list[tuple[int, int]] = []
        self._sessions: list[tuple[int, int]] = []
        self._last_ns = 0

    def frame(self, frame: Frame) -> None:
        """Take a durable frame: it shows that the recorder ran, and may be an event."""
        at_ns = self._last_ns = max(self._last_ns, frame.received_ns)
        for kind in self.kinds:
            self._next.setdefault(kind, self._start_ns(kind, at_ns))
        document = _document(frame)
        began = frame.kind is Kind.NOTE and document.get("note") == NoteKind.STARTED
        if began or not self._runs:
            self._runs.append((at_ns, at_ns))
        self._runs[-1] = (self._runs[-1][0], at_ns)
        if document.get("note") == NoteKind.DAY:
            midnight_ns = at_ns - (at_ns + KST_NS) % (24 * 60 * MINUTE_NS)
            session = (document["open_s"] * NANOSECONDS, document["close_s"] * NANOSECONDS)
            self._sessions.append((midnight_ns + session[0], midnight_ns + session[1]))
        if frame.kind in {Kind.NOTE, Kind.CONNECTION} and document.get("note") not in INPUTS:
            self._add(ExportKind.SYSTEM, event_line(frame, document))

    def trades(self, lines: Iterable[bytes]) -> None:
        """Take the lines of the trades that the last frame recorded."""
        for line in lines:
            self._add(ExportKind.SCALP, line)

    def sweep(self, ended_ns: int, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take a sweep's rows."""
        for row in rows:
            self._add(ExportKind.SWING, sweep_line(row), ended_ns)

    def due(self, now_ns: int) -> list[Window]:
        """Return the windows that are complete, each once, by their beginning."""
        return sorted(
            (window for kind in self.kinds for window in self._due(kind, now_ns)),
            key=lambda one: (one.start_ns, one.kind),
        )

    def next_end_ns(self) -> int | None:
        """Return when the next window is due, None before the first frame."""
        ends = [start_ns + LENGTH_NS[kind] for kind, start_ns in self._next.items()]
        return min(ends) + SETTLE_NS if ends else None

    def _due(self, kind: ExportKind, now_ns: int) -> Iterator[Window]:
        length_ns = LENGTH_NS[kind]
        while kind in self._next and self._next[kind] + length_ns + SETTLE_NS <= now_ns:
            start_ns = self._next[kind]
            lines = self._lines.pop((kind, start_ns), None)
            if lines is None and start_ns + length_ns > self._last_ns:
                return  # nothing shows yet that the recorder ran until its end
            self._next[kind] = start_ns + length_ns
            if lines is not None or self._was_run(start_ns, start_ns + length_ns):
                yield Window(kind, start_ns, tuple(lines or ()), self._ahead_ns)

    def _was_run(self, start_ns: int, end_ns: int) -> bool:
        """Tell whether an empty window lies in a session and the recorder ran in it."""
        in_session = self._never_closed or any(
            start_ns < close_ns and end_ns > open_ns for open_ns, close_ns in self._sessions
        )
        return in_session and any(
            start_ns <= until_ns and end_ns > from_ns for from_ns, until_ns in self._runs
        )

    def _add(self, kind: ExportKind, line: bytes, at_ns: int | None = None) -> None:
        if kind in self.kinds:
            at_ns = self._last_ns if at_ns is None else at_ns
            self._lines.setdefault((kind, self._start_ns(kind, at_ns)), []).append(line)

    def _start_ns(self, kind: ExportKind, at_ns: int) -> int:
        return at_ns - (at_ns + self._ahead_ns) % LENGTH_NS[kind]


def trade_line(row: Row) -> bytes:
    """Return a trade's line: the fields of a segment, the value of the day so far in place of what is missing before it."""
    trade = row.trade
    return canonical_json(
        {
            "code": trade.code, "sequence": row.sequence, "record": row.record, "event_s": trade.event_s,
            "received_us": row.received_us, "price_krw": trade.price, "shares": trade.shares, "side": trade.side,
            "counted": int(row.counted), "chain_shares": trade.chain_shares, "chain_epoch": row.epoch,
            "chain_value_krw": trade.chain_value, "session": trade.session, "sells": trade.sells, "buys": trade.buys,
        }
    )  # fmt: skip


def sweep_line(row: Mapping[str, Any]) -> bytes:
    """Return a sweep row's line, its prices and values named with their unit (OB-210)."""
    prices = ("price", "open", "high", "low", "ask", "bid", "chain_value", "reference_price")
    return canonical_json({f"{name}_krw" if name in prices else name: value for name, value in row.items()})


def event_line(frame: Frame, document: Mapping[str, Any]) -> bytes:
    """Return an event's line: when and where it stands in the journal, and what it says."""
    return canonical_json(
        {
            "received_us": frame.received_ns // 1000,
            "connection": frame.connection,
            "sequence": frame.sequence,
            "kind": frame.kind.name.lower(),
            "event": document,
        }
    )


def _document(frame: Frame) -> dict[str, Any]:
    """Return what a note or a connection event says; other frames say nothing here."""
    if frame.kind not in {Kind.NOTE, Kind.CONNECTION}:
        return {}
    document = json.loads(frame.data)
    return document if isinstance(document, dict) else {"event": document}
