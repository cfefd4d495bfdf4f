"""Look for gaps while the market trades, and write their two records: note, control.db, log (OB-671)."""

from collections.abc import Sequence

import structlog

from veritape.kernel.clock import Clock
from veritape.observer import audit, gap_documents
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.gap_documents import Place
from veritape.observer.gap_life import LifeRecord, Moment
from veritape.observer.log_events import LogEvent
from veritape.observer.notes import NoteKind
from veritape.observer.recorded_days import Day

EVENTS = {Moment.OPENED: LogEvent.GAP_OPENED, Moment.CLOSED: LogEvent.GAP_CLOSED}
"""What the log calls a record."""

LOGGED = ("id", "scope", "code", "cause", "severity", "shares", "state")
"""Fields of a gap that the log shows."""


class GapWatch:
    """The gaps of a running recorder."""

    def __init__(self, daybook: Daybook, clock: Clock) -> None:
        self._daybook = daybook
        self._clock = clock

    def look(self, day: str) -> list[LifeRecord]:
        """Compare the ledger with what was told before; write and return what is new."""
        recording, now_ns = self._daybook.recording, self._clock.wall_ns()
        found = recording.recorder.day(day)
        records = self._suspicions(found, now_ns)
        document = audit.document(found, recording.venue, now_ns, {}, None)
        gaps = [*(gap for line in document["lines"] for gap in line["gaps"]), *document["gaps"]]
        ends = {code: line.end.chain_shares for code, line in found.lines.items()}
        records += found.life.look(gaps, ends, now_ns)
        self._write(day, records)
        return records

    def _suspicions(self, day: Day, now_ns: int) -> list[LifeRecord]:
        """Return the suspicions that the stream did not settle in time (OB-211, OB-642)."""
        recorder = self._daybook.recording.recorder
        place = Place(recorder.venue, day.day, day.open_s, day.close_s, None)
        records, seen = [], dict(recorder.suspicions)
        for key in recorder.settled(self._clock.monotonic_ns()):
            if key[0] == day.day:
                facts, last = day.facts.get(key[1]), day.line(key[1]).end
                previous = facts.previous_shares if facts else 0
                gap = gap_documents.suspected(place, key[1], last, seen[key][0], now_ns, previous)
                records += day.life.suspect(gap)
        return records

    def _write(self, day: str, records: Sequence[LifeRecord]) -> None:
        log = structlog.get_logger()
        for record in records:
            self._daybook.note(NoteKind.GAP, day=day, moment=record.moment.value, gap=dict(record.gap))
            self._daybook.index.gap(record.gap)
            log.info(EVENTS[record.moment], **{name: record.gap[name] for name in LOGGED})
