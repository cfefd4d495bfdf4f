"""Join the gateway's reader of the tape with the observer's data folder: sealed segments and the completeness ledger.

Both are read from the files alone, by the observer's own code, so the gateway says what ``veritape audit`` says. A statement is
recomputed when the journal or the seals have changed, and no more often than a tenth of the time may be spent on it.
"""

from collections import OrderedDict
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple

from veritape.gateway.readers import DayCompleteness, Line, Segment, Totals, Trade
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import MisuseError
from veritape.observer import audit
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.segment_files import Seal, SegmentStore
from veritape.observer.binance.statements import VENUE as BINANCE
from veritape.observer.recorder import KST_NS

REFRESH_NS: Final = 2 * NANOSECONDS
"""Shortest time between two computations of a day that is being recorded."""

COST_SHARE: Final = 10
"""A computation is followed by a pause of this many times its own duration."""

ROWS_KEPT: Final = 8
"""Segments of a symbol whose rows stay in memory."""

DAYS_KEPT: Final = 8
"""Days whose statement stays in memory."""

COLUMNS: Final = (
    "sequence", "record", "event_s", "received_us", "price", "shares", "side", "counted", "chain_shares", "chain_epoch",
    "value_hole", "session", "sells", "buys",
)  # fmt: skip
"""Columns of a segment in the order of ``Trade``'s fields."""


class _State(NamedTuple):
    """What was computed of a day, and from what."""

    stamp: tuple[Any, ...]
    """Names, sizes and times of the files that it was computed from."""
    due_ns: int
    """Monotonic clock from which it may be computed again."""
    completeness: DayCompleteness
    sealed: bool


class RecordedTape:
    """A recorder's data folder as the gateway's ``TapeReader``. Safe to call from several threads."""

    def __init__(self, data: Path, venue: str, clock: Clock) -> None:
        """Open the folder.

        Raises:
            MisuseError: the venue's rows have trade ids in place of the totals that the gateway serves.
        """
        if venue == BINANCE:
            raise MisuseError(
                "read.venue: trades of BINANCE are recorded, audited and computed on, and not served"
            )
        self._data, self._venue, self._clock = data, venue, clock
        self._store = SegmentStore(data, venue)
        self._lock = Lock()
        self._states: OrderedDict[str, _State] = OrderedDict()
        self._rows: OrderedDict[tuple[Path, str], list[Trade]] = OrderedDict()

    def days(self) -> list[str]:
        """Return the days that have data, rising."""
        return Recording(self._data, self._venue).days()

    def is_sealed(self, day: str) -> bool:
        """Tell whether the day is over and every recorded trade sealed."""
        state = self._state(day)
        return state is not None and state.sealed

    def segments(self, day: str, symbol: str) -> list[Segment]:
        """Return the sealed files of a day that hold a symbol, by name."""
        return [_segment(seal) for seal in self._store.seals(day) if symbol in seal.document["lines"]]

    def trades(self, segment: Segment, symbol: str) -> list[Trade]:
        """Return a symbol's trades of one file, in chain order."""
        seal = next(one for one in self._store.seals(segment.day) if _segment(one) == segment)
        with self._lock:
            rows = self._rows.pop((seal.path, symbol), None) or self._read(seal, symbol)
            self._rows[seal.path, symbol] = rows
            if len(self._rows) > ROWS_KEPT:
                self._rows.popitem(last=False)
        return rows

    def completeness(self, day: str) -> DayCompleteness | None:
        """Return the statement of a day, None when nothing was recorded."""
        state = self._state(day)
        return state.completeness if state else None

    def _read(self, seal: Seal, symbol: str) -> list[Trade]:
        table = self._store.rows_of(seal, symbol)
        columns = [table[name].to_pylist() for name in COLUMNS]
        counted = COLUMNS.index("counted")
        columns[counted] = [bool(value) for value in columns[counted]]
        return [Trade(*values) for values in zip(*columns, strict=True)]

    def _state(self, day: str) -> _State | None:
        if day not in self.days():
            return None
        with self._lock:
            state = self._states.pop(day, None)
            if state is None or (
                self._clock.monotonic_ns() >= state.due_ns and state.stamp != self._stamp(day)
            ):
                state = self._compute(day)
            self._states[day] = state
            if len(self._states) > DAYS_KEPT:
                self._states.popitem(last=False)
            return state

    def _compute(self, day: str) -> _State:
        started_ns, stamp = self._clock.monotonic_ns(), self._stamp(day)
        recording = Recording(self._data, self._venue)
        recording.load([day])
        found = recording.recorder.day(day)
        lines = tuple(_line(audit.state(found, code)) for code in sorted(found.lines))
        closed = bool(lines) and all(line.closed for line in lines)
        ended_ns = self._clock.monotonic_ns()
        due_ns = ended_ns + max(REFRESH_NS, COST_SHARE * (ended_ns - started_ns))
        statement = DayCompleteness(closed, self._clock.wall_ns(), lines)
        return _State(stamp, due_ns, statement, found.closed and not any(found.rows.values()))

    def _stamp(self, day: str) -> tuple[Any, ...]:
        folders = (
            self._data / "journal" / self._venue / day,
            self._data / "trades" / f"venue={self._venue}" / f"day={day}",
        )
        files = sorted(path for folder in folders for path in folder.glob("*"))
        return tuple((path, found.st_size, found.st_mtime_ns) for path in files for found in (path.stat(),))


def _segment(seal: Seal) -> Segment:
    day, hour, part = seal.key
    midnight = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)
    return Segment(
        day,
        f"{hour:02}-{part:04}",
        seal.document["blake3"],
        seal.document["price_scale"],
        int(midnight.timestamp()) * NANOSECONDS - KST_NS,
        hour * 3_600,
        hour * 3_600 + 3_599,
    )


def _line(statement: audit.Statement) -> Line:
    return Line(
        statement.line.code,
        statement.status,
        Totals(*statement.line.recorded),
        Totals(*statement.backfilled),
        Totals(*statement.residual),
        statement.closes,
    )
