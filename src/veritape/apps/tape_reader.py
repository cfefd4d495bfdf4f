"""Join the gateway's reader of the tape with the observer's data folder: sealed segments and the completeness ledger.

Both are read from the files alone, by the observer's own code, so the gateway says what ``veritape audit`` says. A statement is
recomputed when the journal or the seals have changed, and no more often than a tenth of the time may be spent on it. A day
whose journal the retention has removed is proven again from its last statement and its segments.
"""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple

from veritape.gateway.readers import DayCompleteness, Fetched, Line, Segment, Totals, Trade
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.observer import audit
from veritape.observer.adapters.backfill_files import BackfillFiles
from veritape.observer.adapters.binance.fill_files import FillFiles
from veritape.observer.adapters.binance.recording import BinanceRecording
from veritape.observer.adapters.binance.segment_files import segment_store
from veritape.observer.adapters.kept_audit import is_journal_gone, kept_audit, statement_path
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.segment_files import Seal, read_columns
from veritape.observer.binance.statements import VENUE as BINANCE
from veritape.observer.binance.trade_ids import DAY_US, day_start_us, utc_day
from veritape.observer.kept import QUANTITIES, closes
from veritape.observer.recorder import KST_NS
from veritape.wire.binance.streams import PRICE_SCALE

REFRESH_NS: Final = 2 * NANOSECONDS
"""Shortest time between two computations of a day that is being recorded."""

COST_SHARE: Final = 10
"""A computation is followed by a pause of this many times its own duration."""

SECOND_US: Final = 1_000_000
"""Microseconds of a second."""

ROWS_KEPT: Final = 8
"""Segments of a symbol whose rows stay in memory."""

DAYS_KEPT: Final = 8
"""Days whose statement stays in memory."""

FETCHED: Final = "fetched"
"""Name that stands for a day's fetched trades: behind every hour."""

FILL_COLUMNS: Final = (
    "code", "event_us", "price", "shares", "source", "fetched_us", "gap_id", "trade_id", "last_id",
)  # fmt: skip
"""Columns of Binance's fetched trades that are read."""

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
        self._data, self._venue, self._clock = data, venue, clock
        self._store = segment_store(data, venue)
        self._lock = Lock()
        self._states: OrderedDict[str, _State] = OrderedDict()
        self._rows: OrderedDict[tuple[Path, str], list[Trade]] = OrderedDict()

    def days(self) -> list[str]:
        """Return the days that have data, rising."""
        return sorted({*Recording(self._data, self._venue).days(), *self._store.days()})

    def is_sealed(self, day: str) -> bool:
        """Tell whether the day is over and every recorded trade sealed: the journal goes no earlier."""
        if self._is_journal_gone(day):
            return True
        state = self._state(day)
        return state is not None and state.sealed

    def segments(self, day: str, symbol: str) -> list[Segment]:
        """Return the sealed files of a day that hold a symbol, by name."""
        return [self._segment(seal) for seal in self._store.seals(day) if symbol in seal.document["lines"]]

    def trades(self, segment: Segment, symbol: str) -> list[Trade]:
        """Return a symbol's trades of one file, in chain order."""
        seal = next(one for one in self._store.seals(segment.day) if self._segment(one) == segment)
        with self._lock:
            rows = self._rows.pop((seal.path, symbol), None) or self._read(seal, symbol)
            self._rows[seal.path, symbol] = rows
            if len(self._rows) > ROWS_KEPT:
                self._rows.popitem(last=False)
        return rows

    def fetched(self, day: str, symbol: str) -> tuple[Segment, list[Fetched]] | None:
        """Return a symbol's fetched trades of a day that were not recorded after all, in chain order; None without any."""
        places = {
            (trade.chain_epoch, trade.chain_shares)
            for segment in self.segments(day, symbol)
            for trade in self.trades(segment, symbol)
        }
        rows = {
            (row.epoch, row.chain_shares): Fetched(
                row.event_s, row.price, row.shares, row.source.value, row.fetched_us, row.gap_id, row.chain_shares,
                row.epoch,
            )
            for row in BackfillFiles(self._data, self._venue).trades(day).get(symbol, ())
        }  # fmt: skip
        left = [rows[place] for place in sorted(rows.keys() - places)]
        return (fetched_segment(day, 0, KST_NS), left) if left else None

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
        statement, sealed = self._statement(day)
        ended_ns = self._clock.monotonic_ns()
        due_ns = ended_ns + max(REFRESH_NS, COST_SHARE * (ended_ns - started_ns))
        return _State(stamp, due_ns, statement, sealed)

    def _statement(self, day: str) -> tuple[DayCompleteness, bool]:
        """Return a day's statement from its journal, and whether the day is over and sealed."""
        recording = Recording(self._data, self._venue)
        if self._is_journal_gone(day):
            return self._kept_statement(recording, day), True
        recording.load([day])
        found = recording.recorder.day(day)
        lines = tuple(_line(audit.state(found, code)) for code in sorted(found.lines))
        closed = bool(lines) and all(line.closed for line in lines)
        statement = DayCompleteness(closed, self._clock.wall_ns(), lines)
        return statement, found.closed and not any(found.rows.values())

    def _kept_statement(self, recording: Recording, day: str) -> DayCompleteness:
        """Return a day's statement as it was when the journal was here, held against what is here now (OB-732).

        Raises:
            CheckFailedError: it cannot be read.
            MisuseError: it is gone too; the day must be restored.
        """
        document = kept_audit(recording, day)
        lines = tuple(_kept_line(line) for line in document["lines"])
        return DayCompleteness(document["closed"], document["generated_ns"], lines)

    def _is_journal_gone(self, day: str) -> bool:
        """Tell whether a day's journal was removed: its segments or its statement are still here."""
        if not is_journal_gone(Recording(self._data, self._venue), day):
            return False
        return day in self._store.days() or statement_path(self._data, day).exists()

    def _segment(self, seal: Seal) -> Segment:
        return segment_of(seal, KST_NS)

    def _journal_days(self, day: str) -> tuple[str, ...]:
        """Return the folders of the journal that hold a day."""
        return (day,)

    def _stamp(self, day: str) -> tuple[Any, ...]:
        folders = [self._data / "journal" / self._venue / one for one in self._journal_days(day)]
        folders.append(self._data / "trades" / f"venue={self._venue}" / f"day={day}")
        files = sorted(path for folder in folders for path in folder.glob("*"))
        files += [path for path in [statement_path(self._data, day)] if path.exists()]
        return tuple((path, found.st_size, found.st_mtime_ns) for path in files for found in (path.stat(),))


class BinanceTape(RecordedTape):
    """The same of the venue that numbers its trades: UTC days, sizes with eight decimals."""

    def days(self) -> list[str]:
        """Return the days that have data, rising."""
        return BinanceRecording(self._data).days()

    def _read(self, seal: Seal, symbol: str) -> list[Trade]:
        table, start_us = self._store.rows_of(seal, symbol), day_start_us(seal.document["day"])
        names = ("sequence", "record", "event_us", "received_us", "price", "shares", "side", "trade_id")
        return [
            Trade(
                sequence, record, (event_us - start_us) // SECOND_US, received_us, price, shares, side, True,
                0, 0, 0, "", 0, 0, (event_us - start_us) % SECOND_US, trade_id,
            )
            for sequence, record, event_us, received_us, price, shares, side, trade_id in zip(
                *(table[name].to_pylist() for name in names), strict=True
            )
        ]  # fmt: skip

    def fetched(self, day: str, symbol: str) -> tuple[Segment, list[Fetched]] | None:
        """Return a symbol's fetched trades of a UTC day, in the order of their ids; None without any."""
        start_us, rows = day_start_us(day), list[Fetched]()
        for path in FillFiles(self._data).paths(day):
            table = read_columns(path, list(FILL_COLUMNS))
            for code, at_us, *rest in zip(*(table[name].to_pylist() for name in FILL_COLUMNS), strict=True):
                if code == symbol:
                    second, left_us = divmod(at_us - start_us, SECOND_US)
                    price, shares, source, fetched_us, gap, first, last = rest
                    rows.append(
                        Fetched(second, price, shares, source, fetched_us, gap, 0, 0, left_us, first, last)
                    )
        rows.sort(key=lambda row: row.trade_id or 0)
        segment = fetched_segment(day, PRICE_SCALE, 0)._replace(share_scale=PRICE_SCALE)
        return (segment, rows) if rows else None

    def _statement(self, day: str) -> tuple[DayCompleteness, bool]:
        recording = BinanceRecording(self._data)
        recording.load([day])
        now_ns, found = self._clock.wall_ns(), recording.recorder.days.get(day)
        audited = recording.audit(day, now_ns)
        lines = tuple(_binance_line(line) for line in audited["lines"])
        scale: int = audited["price_scale"]
        over = found is not None and found.closed_ns is not None and not any(found.rows.values())
        return DayCompleteness(audited["closed"], now_ns, lines, scale, 2 * scale), over

    def _segment(self, seal: Seal) -> Segment:
        return segment_of(seal, 0)._replace(share_scale=seal.document["price_scale"])

    def _journal_days(self, day: str) -> tuple[str, ...]:
        start_us = day_start_us(day)
        return utc_day(start_us - DAY_US), day, utc_day(start_us + DAY_US)


def open_tape(data: Path, venue: str, clock: Clock) -> RecordedTape:
    """Return a recorder's data folder as the gateway reads it."""
    return BinanceTape(data, venue, clock) if venue == BINANCE else RecordedTape(data, venue, clock)


def fetched_segment(day: str, price_scale: int, ahead_ns: int) -> Segment:
    """Return what stands for a day's fetched trades: behind its sealed files, without a seal's digest."""
    midnight = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)
    midnight_ns = int(midnight.timestamp()) * NANOSECONDS - ahead_ns
    return Segment(day, FETCHED, "", price_scale, midnight_ns, 0, DAY_US // SECOND_US - 1)


def segment_of(seal: Seal, ahead_ns: int) -> Segment:
    """Return a sealed file as the gateway knows it.

    Args:
        seal: its seal.
        ahead_ns: of the venue's clock, of UTC.
    """
    day, hour, part = seal.key
    midnight = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)
    return Segment(
        day,
        f"{hour:02}-{part:04}",
        seal.document["blake3"],
        seal.document["price_scale"],
        int(midnight.timestamp()) * NANOSECONDS - ahead_ns,
        hour * 3_600,
        hour * 3_600 + 3_599,
    )


def _binance_line(line: Mapping[str, Any]) -> Line:
    recorded, backfilled = (
        Totals(line[part]["trades"], line[part]["quantity"], line[part]["value"])
        for part in ("recorded", "backfilled")
    )
    missing = line["residual"]["trades"]
    unknown = None if missing else 0
    closes = line["trades"] == sum(line[part]["trades"] for part in ("recorded", "backfilled", "residual"))
    return Line(line["code"], line["status"], recorded, backfilled, Totals(missing, unknown, unknown), closes)


def _kept_line(line: Mapping[str, Any]) -> Line:
    recorded, backfilled, residual = (
        Totals(*(line[part][name] for name in QUANTITIES)) for part in ("recorded", "backfilled", "residual")
    )
    return Line(line["code"], line["status"], recorded, backfilled, residual, closes(line))


def _line(statement: audit.Statement) -> Line:
    return Line(
        statement.line.code,
        statement.status,
        Totals(*statement.line.recorded),
        Totals(*statement.backfilled),
        Totals(*statement.residual),
        statement.closes,
    )
