"""The recorder's memory of its days: every frame goes in, ledgers, rows to seal and statements come out.

``apply`` takes journal frames in journal order and is the only way in. A running recorder hands it each frame once the
frame is durable; a restarted one, and ``veritape audit``, hand it the same frames from the files. So what a live process
believes and what anyone can recompute from the journal are the same by construction (OB-512), and only acknowledged
trades are ever counted (OB-005).

What the recorder itself knows and the broker does not say is journalled as notes (``notes``).
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from veritape.kernel.clock import NANOSECONDS
from veritape.observer.books import BookFrame
from veritape.observer.clock_steps import CERTAIN, STEP_NS, ClockSettings, Margin
from veritape.observer.completeness import Held, Outcome, Verdict
from veritape.observer.frames import Acknowledgement, FrameReason, Heartbeat, Refusal, Trade, parse_message
from veritape.observer.gap_life import LifeRecord, Moment
from veritape.observer.gaps import Cause, Event
from veritape.observer.journal import Frame, Kind
from veritape.observer.notes import NoteKind
from veritape.observer.outages import Stamp
from veritape.observer.recorded_days import Anchor, CodeFacts, Day
from veritape.observer.rows import Row, TradeRows
from veritape.observer.venue import Unread

KST_NS: Final = 9 * 3_600 * NANOSECONDS
"""Seoul's offset from UTC, nanoseconds."""

SETTLING_NS: Final = 3 * NANOSECONDS
"""How long after a sweep's answer the stream may still bring the trades that it saw (OB-211)."""

QUARANTINED_KEPT: Final = 10_000
"""Quarantined frames that are remembered as causes; more of them mean that the wire has changed."""


LookUp = Callable[[str, str, int, int], tuple[int, int] | None]
"""Day, code, chain epoch, shares of the chain -> shares and price of the trade recorded there, None for none (OB-645)."""

FrameKey = tuple[int, int, int]
"""Connection, sequence and receive time of a frame."""


@dataclass
class Applied:
    """What one frame did."""

    recorded: int = 0
    """Trades recorded."""
    duplicates: int = 0
    """Trades that were known."""
    late: int = 0
    """Trades that fell into a hole."""
    holes: int = 0
    """Holes that appeared."""
    late_dates: int = 0
    """Trades of an older date than the connection's newest: stored under their own date."""
    books: int = 0
    """Order books kept."""
    refusal: Unread | None = None
    """Why the frame was not read."""


class Recorder:
    """All days that are in memory."""

    def __init__(self, venue: str = "KRX") -> None:
        self.venue = venue
        self.days: dict[str, Day] = {}
        """By business date."""
        self.suspicions: dict[tuple[str, str], tuple[int, int]] = {}
        """(day, code) -> (shares that a sweep or book saw, monotonic clock of it): loss on a silent tail, perhaps (levels d, e)."""
        self.condemned: set[FrameKey] = set()
        """Frames that could not be read when they came: a later parser does not make them recorded (OB-457)."""
        self.look_up: LookUp | None = None
        """Finds trades that the ledger no longer keeps; without it an old record counts as one of them by its totals."""
        self._last = (0, 0)
        """Wall and monotonic clock of the last frame."""
        self._clock_settings = ClockSettings()
        self.trading_day = (0, "")
        """Connection of the newest trades, and the newest date on it."""
        self._stopped_by = Cause.PROCESS_DOWN

    def apply(self, frame: Frame) -> Applied:
        """Take one durable frame."""
        applied = Applied()
        if frame.kind in {Kind.TEXT, Kind.BINARY}:
            self._message(frame, applied)
        elif frame.kind is Kind.NOTE:
            self._note(json.loads(frame.data), frame)
        self.received(frame)
        return applied

    def received(self, frame: Frame) -> None:
        """Note when the newest frame came."""
        self._last = frame.received_ns, frame.monotonic_ns

    def sweep_saw(self, day: str, code: str, chain_shares: int, answered_ns: int) -> None:
        """Remember what a sweep saw; ``settled`` judges it once the stream had time to follow (OB-211).

        Args:
            day: business date.
            code: that was answered.
            chain_shares: its shares of the day.
            answered_ns: monotonic clock.
        """
        self.suspicions[day, code] = (chain_shares, answered_ns)

    def settled(self, now_ns: int) -> list[tuple[str, str]]:
        """Return the (day, code) whose stream is still behind a sweep after the settling time: suspected gaps.

        Args:
            now_ns: monotonic clock; what was seen later than now was seen before the machine was started.
        """
        due = [key for key, (_, stamp) in self.suspicions.items() if not 0 <= now_ns - stamp < SETTLING_NS]
        return [
            (day, code)
            for day, code in due
            if self._is_behind(day, code, self.suspicions.pop((day, code))[0])
        ]

    def take_rows(self, day: str, hour: int) -> TradeRows:
        """Hand over the rows of an hour for its segment."""
        return self.days[day].rows.pop(hour, TradeRows())

    def forget_sealed(self, day: str, hour: int, sealed: set[tuple[str, int, int]]) -> None:
        """Drop rows that a segment already holds, by (code, epoch, chain_shares): after a restart."""
        rows = self.days[day].rows if day in self.days else {}
        left = TradeRows(
            row
            for row in rows.pop(hour, TradeRows())
            if (row.trade.code, row.epoch, row.trade.chain_shares) not in sealed
        )
        if left:
            rows[hour] = left

    def forget_before(self, day: str) -> None:
        """Drop the days before one that begins; one with rows that wait for their segment stays."""
        for old in [one for one in self.days if one < day]:
            if not self.days[old].rows and not self.days[old].books.hours:
                del self.days[old]

    def day(self, day: str) -> Day:
        """Return a day, begun when it is new."""
        found = self.days.get(day)
        if found is None:
            found = self.days[day] = Day(day)
        return found

    def _message(self, frame: Frame, applied: Applied) -> None:
        message = parse_message(frame.data, binary=frame.kind is Kind.BINARY)
        if frame_key(frame) in self.condemned and not isinstance(message, Refusal):
            message = Refusal(FrameReason.UNREAD_THEN, "", 0)
        if isinstance(message, Acknowledgement | Heartbeat):
            return
        if isinstance(message, Refusal):
            applied.refusal = message
            self._quarantine(frame)
            return
        if isinstance(message, BookFrame):
            self._books(frame, message, applied)
            return
        for index, trade in enumerate(message):
            self.record_trade(frame, index, trade, applied)
        self._note_dates(frame.connection, message, applied)

    def _note_dates(self, connection: int, trades: Sequence[Trade], applied: Applied) -> None:
        """A new day begins with a new date of the records; older ones stay under their own and are counted (KIS-181)."""
        before, newest = self.trading_day
        if before != connection or trades[-1].day > newest:
            newest = trades[-1].day
        elif trades[0].day < newest:
            applied.late_dates += sum(trade.day < newest for trade in trades)
        self.trading_day = (connection, newest)

    def _books(self, frame: Frame, message: BookFrame, applied: Applied) -> None:
        """Keep books; one that is ahead of the line for longer than it may settle is a suspicion (level d)."""
        connection, date = self.trading_day  # a book carries no date (KIS-161)
        day = self.day(date if connection == frame.connection else kst(frame.received_ns)[0])
        for index, book in enumerate(message.books):
            day.books.add(book, frame.sequence, index, frame.received_ns)
            if self._is_behind(day.day, book.code, book.chain_shares):
                self.suspicions.setdefault((day.day, book.code), (book.chain_shares, frame.monotonic_ns))
        applied.books += len(message.books)

    def record_trade(self, frame: Frame, index: int, trade: Trade, applied: Applied) -> None:
        """Take one record of a frame."""
        day = self.days.get(trade.day) or self.day(trade.day)
        line = day.lines.get(trade.code) or day.line(trade.code)
        verdict = line.receive(trade, frame.received_ns, frame.sequence, index)
        for one in verdict.released:
            of_it = verdict._replace(counted=one.trade.counted)
            self._keep(day, one.trade, one.sequence, one.record, one.received_ns, of_it)
            applied.recorded += 1
        outcome = verdict.outcome
        if outcome is Outcome.RECORDED or outcome is Outcome.LATE:
            self._keep(day, trade, frame.sequence, index, frame.received_ns, verdict)
            applied.recorded += 1
            applied.holes += verdict.opened_hole
            applied.late += outcome is Outcome.LATE
        elif outcome is Outcome.DUPLICATE:
            applied.duplicates += 1
        elif outcome is Outcome.OLD:
            self._old(day, Held(trade, frame.received_ns, frame.sequence, index), applied)

    def _old(self, day: Day, record: Held, applied: Applied) -> None:
        """Judge a record from where trades are recorded that the ledger no longer keeps (OB-645)."""
        trade, line = record.trade, day.line(record.trade.code)
        known = (trade.shares, trade.price)
        if self.look_up is not None:
            known = self.look_up(day.day, trade.code, len(line.axes) - 1, trade.chain_shares) or (0, 0)
        if known == (trade.shares, trade.price):
            line.repeat()
            applied.duplicates += 1
            return
        verdict = line.overlap(record)
        for one in verdict.released:
            of_it = verdict._replace(counted=one.trade.counted)
            self._keep(day, one.trade, one.sequence, one.record, one.received_ns, of_it)
        if verdict.outcome is Outcome.RECORDED:
            self._keep(day, trade, record.sequence, record.record, record.received_ns, verdict)
            applied.recorded += 1 + len(verdict.released)

    @staticmethod
    def _keep(day: Day, trade: Trade, sequence: int, record: int, received_ns: int, verdict: Verdict) -> None:
        hour = trade.event_s // 3600
        rows = day.rows.get(hour)
        if rows is None:
            rows = day.rows[hour] = TradeRows()
        rows.add(trade, sequence, record, received_ns // 1000, verdict.counted, verdict.epoch)

    def _quarantine(self, frame: Frame) -> None:
        day, second = kst(frame.received_ns)
        if day in self.days and len(self.days[day].quarantined) < QUARANTINED_KEPT:
            earlier_s, later_s = self._clock_settings.margin()
            span = (second - earlier_s, second + 1 + later_s)
            self.days[day].quarantined.append(Event(*span, Cause.FRAME_QUARANTINED))

    def _note(self, note: dict[str, Any], frame: Frame) -> None:
        kind, received_ns = NoteKind(note["note"]), frame.received_ns
        if kind is NoteKind.STARTED:
            self._restarted(frame)
            return
        if kind is NoteKind.DAY and note["day"] not in self.days:
            self._clock_settings = (
                ClockSettings()
            )  # what was doubtful yesterday makes no moment of today doubtful
        self._widen(self._clock_settings.take(received_ns, frame.monotonic_ns))
        if kind in {NoteKind.OBSERVATION, NoteKind.TRACK_B, NoteKind.DISK_FULL}:
            return
        day = self.day(note["day"])
        if kind is NoteKind.DAY:
            day.open_s, day.close_s = note["open_s"], note["close_s"]
            day.facts = {code: CodeFacts(**facts) for code, facts in note["codes"].items()}
        elif kind in {NoteKind.WATCH_OPENED, NoteKind.WATCH_CLOSED, NoteKind.REFUSED}:
            self._note_watch(day, kind, note, frame)
        elif kind is NoteKind.ANCHOR:
            values = (note["chain_shares"], note["chain_value"], note["taken_ns"], bool(note["agreed"]))
            day.anchors[note["code"]] = Anchor(*values)
        elif kind is NoteKind.GAP:
            day.life.remember(LifeRecord(Moment(note["moment"]), note["gap"]))
        elif kind is NoteKind.TAIL:
            day.tails[note["code"]] = note["trades"]
        else:
            day.closed_ns = received_ns
            for line in day.lines.values():
                line.settle(received_ns, at_end=True)

    def _widen(self, added: Margin) -> None:
        """Widen the spans of the days that last: the clock was set to what it never showed."""
        for day in self.days.values() if added != CERTAIN else ():
            if not day.closed:
                day.widen(added)

    def _note_watch(self, day: Day, kind: NoteKind, note: dict[str, Any], frame: Frame) -> None:
        code, event_s, margin = note["code"], note["event_s"], self._clock_settings.margin()
        at = Stamp(event_s, frame.received_ns, frame.monotonic_ns, margin)
        if kind is NoteKind.WATCH_OPENED:
            day.opened_watch(code, event_s + margin.later_s)
            day.outages.watch_opened(at)
        elif kind is NoteKind.WATCH_CLOSED:
            cause = Cause(note["cause"])
            day.closed_watch(code, event_s - margin.earlier_s, cause)
            day.outages.watch_closed(cause, at)
            self._stopped_by = Cause.OPERATOR_STOP if cause is Cause.OPERATOR_STOP else self._stopped_by
        else:
            day.line(code)
            day.refusals.setdefault(code, []).append(event_s - margin.earlier_s)

    def _restarted(self, frame: Frame) -> None:
        """Account for the time since the last durable record: one gap of the process (OB-675).

        A clock that shows less than that record's and the time since was set back meanwhile. The monotonic clock says how long
        that was; where it began anew with the machine only what the wall clock went back is known.
        """
        cause, self._stopped_by = self._stopped_by, Cause.PROCESS_DOWN
        (last_ns, last_monotonic_ns), now_ns = self._last, frame.received_ns
        down_ns = max(0, frame.monotonic_ns - last_monotonic_ns)
        set_back_ns = last_ns + down_ns - now_ns
        set_back_ns *= set_back_ns > STEP_NS
        margin, (today, last_s) = self._clock_settings.margin(), kst(last_ns)
        self._close_watches(cause, last_s - margin.earlier_s)
        day, (now_day, now_s) = self.days.get(today), kst(now_ns)
        self._clock_settings.restarted(now_ns, frame.monotonic_ns, set_back_ns)
        if day is not None and not day.closed:
            end_s = now_s if now_day == today else day.close_s if now_day > today else 0
            last = Stamp(last_s, last_ns, last_monotonic_ns, margin)
            now = Stamp(end_s, now_ns, frame.monotonic_ns, self._clock_settings.margin())
            day.outages.process_was_down(cause, last, now)
        self._widen(Margin(-(-set_back_ns // NANOSECONDS), 0))

    def _close_watches(self, cause: Cause, second: int) -> None:
        today = kst(self._last[0])[0]
        for day in self.days.values():
            for code in day.watches:
                day.closed_watch(code, second if day.day == today else day.close_s, cause)

    def _is_behind(self, day: str, code: str, seen_shares: int) -> bool:
        line = self.days[day].lines.get(code) if day in self.days else None
        return line is not None and line.end.chain_shares < seen_shares


def frame_key(frame: Frame) -> FrameKey:
    """Return what names a frame in the quarantine's index."""
    return frame.connection, frame.sequence, frame.received_ns


def kst(wall_ns: int) -> tuple[str, int]:
    """Return Seoul's date (YYYYMMDD) and second of the day at a moment."""
    local = datetime.fromtimestamp((wall_ns + KST_NS) // NANOSECONDS, UTC)
    return f"{local:%Y%m%d}", local.hour * 3600 + local.minute * 60 + local.second


def rows_by_code(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Group rows by code, codes sorted, rows in chain order."""
    grouped: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row.trade.code, row.epoch, row.trade.chain_shares)):
        grouped.setdefault(row.trade.code, []).append(row)
    return grouped
