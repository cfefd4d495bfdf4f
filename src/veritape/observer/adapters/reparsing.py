"""Read quarantined frames again, after an update of the parser, and fill holes with what they hold (OB-457).

The frames were refused when they came, so their trades were never recorded and the segments do not hold them. They become
fetched trades of the source ``reparsed``, inside the holes that they left.
"""

from collections.abc import Iterator

from veritape.observer import audit
from veritape.observer.adapters.journal_files import read_journal
from veritape.observer.adapters.recording import Recording
from veritape.observer.backfill import Fetched, Source, fill_all
from veritape.observer.frames import Trade, parse_message
from veritape.observer.gaps import gap_id
from veritape.observer.journal import Frame, Kind
from veritape.observer.recorded_days import Day
from veritape.observer.recorder import frame_key


def reparse(recording: Recording, day: str, now_ns: int) -> int:
    """Take what a day's unread frames say now; return the trades that filled something."""
    if not recording.recorder.condemned:
        return 0
    found = recording.recorder.day(day)
    rows: dict[str, list[Fetched]] = {}
    for frame, record, trade in _readable(recording, day):
        row = Fetched(
            trade.code, trade.event_s, trade.price, trade.shares, trade.chain_shares, Source.REPARSED, now_ns // 1000,
            "", len(found.line(trade.code).axes) - 1, trade, frame.sequence, record, frame.received_ns // 1000,
        )  # fmt: skip
        rows.setdefault(trade.code, []).append(row)
    accepted = [row for code, own in rows.items() for row in acceptable(found, recording.venue, code, own)]
    if accepted:
        recording.backfill.add_trades(day, accepted, now_ns)
        recording.read_backfill(day)
    return len(accepted)


def acceptable(day: Day, venue: str, code: str, rows: list[Fetched]) -> list[Fetched]:
    """Return the rows that fill something that is still missing, each with the name of its gap."""
    known, epoch = set(day.fetched.get(code, [])), len(day.line(code).axes) - 1
    holes = [gap.filling.hole for gap in audit.state(day, code).gaps if gap.epoch == epoch]
    fillings = fill_all(holes, [row for row in (*known, *rows) if row.epoch == epoch])
    return [
        row._replace(gap_id=gap_id(venue, code, day.day, filling.hole.left.chain_shares))
        for filling in fillings
        for row in filling.rows
        if row not in known
    ]


def _readable(recording: Recording, day: str) -> Iterator[tuple[Frame, int, Trade]]:
    """Yield the trades of the day's unread frames that can be read now."""
    for _, _, frame in read_journal(recording.journal_folder / day):
        if frame.kind is not Kind.TEXT or frame_key(frame) not in recording.recorder.condemned:
            continue
        message = parse_message(frame.data)
        if isinstance(message, tuple) and all(isinstance(one, Trade) for one in message):
            for index, trade in enumerate(message):
                if isinstance(trade, Trade) and trade.day == day:
                    yield frame, index, trade
