"""A Binance recording on disk: rebuilt, sealed, audited."""

from pathlib import Path

from tests.binance import CODE, FIRST, FIRST_ID, LAST_ID, MIDNIGHT_ID, SECOND, Venue, captured, frames
from tests.unit.observer.binance.answering import answered, own

from veritape.kernel.clock import ManualClock
from veritape.observer.adapters.binance.recording import BinanceRecording
from veritape.observer.adapters.daybook import VenueDaybook
from veritape.observer.adapters.journal_files import journal_paths
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.binance.questions import ask_end, ask_trades
from veritape.observer.journal import Frame, Kind, decode_file_header
from veritape.observer.journal import Venue as JournalVenue
from veritape.observer.notes import NoteKind, note


async def written(data: Path, *tape: Frame) -> VenueDaybook[BinanceRecording]:
    """Return a daybook that took frames at their own receive times."""
    recording = BinanceRecording(data)
    clock = ManualClock(wall_ns=tape[0].received_ns)
    options = JournalOptions(recording.journal_folder, JournalVenue.BINANCE, reserve_bytes=0, day_offset_ns=0)
    book = VenueDaybook(recording, options, clock, lambda _: None)
    await book.loaded
    for frame in tape:
        clock.step_wall_ns(frame.received_ns - clock.wall_ns())
        book.frame(frame.kind, frame.connection, frame.sequence, frame.data)
    await book.flush()
    return book


def opened() -> Frame:
    return own(Kind.NOTE, note(NoteKind.WATCH_OPENED, code=CODE), captured(FIRST)[0].received_ns)


async def test_folders_are_days_of_our_clock_and_lines_days_of_the_venue_s(tmp_path: Path) -> None:
    """OB-905, OB-907, OB-001, OB-502: the first folder's last 19 trades are of the second line; headers name venue 16."""
    book = await written(tmp_path, opened(), *frames(FIRST, SECOND))
    await book.close()
    assert [path.parent.name for path in journal_paths(tmp_path)] == [FIRST, SECOND]
    heads = [decode_file_header(path.read_bytes()[:64]) for path in journal_paths(tmp_path)]
    assert [int(head.venue) for head in heads] == [16, 16]
    again = BinanceRecording(tmp_path)
    assert again.days() == [FIRST, SECOND]
    again.load([SECOND])
    line = again.recorder.symbols[CODE].lines[SECOND]
    assert (line.recorded.trades, again.recorder.symbols[CODE].axis.first_of(SECOND)) == (10_166, MIDNIGHT_ID)


async def test_an_hour_is_sealed_once_the_venue_s_clock_has_passed_it(tmp_path: Path) -> None:
    """OB-551, OB-552, OB-512: sealed with the journal blocks that hold it; a restart seals nothing twice."""
    book = await written(tmp_path, opened(), *frames(FIRST, SECOND))
    recording = book.recording
    assert recording.seal_due(FIRST, 400) == []
    assert recording.seal_due("20200101", 0) == []
    (seal,) = recording.seal_due(FIRST, 120)
    assert (seal.key, seal.document["rows"]) == ((FIRST, 23, 0), 9_738)
    assert {block["file"].partition("/")[0] for block in seal.document["journal"]} == {FIRST}
    assert recording.seal_due(SECOND, 120) == []
    (rest,) = recording.seal_due(SECOND, 0, all_hours=True)
    assert {block["file"].partition("/")[0] for block in rest.document["journal"]} == {FIRST, SECOND}
    assert rest.document["lines"][CODE]["holes"] == 0
    await book.close()
    again = BinanceRecording(tmp_path)
    again.load()
    assert [day.rows for day in again.recorder.days.values()] == [{}, {}]


async def test_what_a_closed_day_s_neighbours_needed_is_let_go(tmp_path: Path) -> None:
    """OB-012: ledgers and places in the journal of the days before."""
    book = await written(tmp_path, opened(), *frames(FIRST, SECOND))
    recording = book.recording
    for day in (FIRST, SECOND):
        recording.seal_due(day, 0, all_hours=True)
    recording.forget_before(SECOND)
    assert (list(recording.recorder.days), {day for day, _ in recording._blocks}) == ([SECOND], {SECOND})
    await book.close()


async def test_days_that_are_over_by_the_venue_s_clock(tmp_path: Path) -> None:
    """OB-905: our own clock is not asked."""
    book = await written(tmp_path, opened(), *frames(FIRST, SECOND))
    recording = book.recording
    assert (recording.days_over(120), recording.days_over(400)) == ([FIRST], [])
    book.own(Kind.NOTE, note(NoteKind.CLOSED, day=FIRST))
    await book.flush()
    assert recording.days_over(120) == []
    await book.close()


async def test_a_checkpoint_spares_a_restart_the_journal_before_it(tmp_path: Path) -> None:
    """OB-509: the state is the same as from the whole journal; a foreign state is none."""
    tape = list(frames(FIRST))
    lost = Venue()
    book = await written(tmp_path, opened(), *tape[:500], *tape[520:3_000])
    symbol = book.recording.recorder.symbols[CODE]
    book.own(Kind.REST, answered(ask_trades(CODE, symbol.axis.holes()[0]), lost).data)
    await book.flush()
    found = book.recording.checkpoint()
    await book.close()
    assert found is not None
    whole, resumed, foreign = (BinanceRecording(tmp_path) for _ in range(3))
    frames_read = sum(whole.loading([FIRST]))
    assert sum(resumed.loading([FIRST], found)) < frames_read
    assert sum(foreign.loading([FIRST], found._replace(state=b"x" * 64))) == frames_read
    assert sum(BinanceRecording(tmp_path).loading([FIRST], found._replace(file="none"))) == frames_read
    assert resumed.recorder.symbols == whole.recorder.symbols == foreign.recorder.symbols
    assert resumed.recorder.days == whole.recorder.days
    assert BinanceRecording(tmp_path).checkpoint() is None


async def test_fetched_trades_are_written_once(tmp_path: Path) -> None:
    """OB-705, OB-512: rebuilt from the journal they are known to be on disk."""
    tape = list(frames(FIRST))
    book = await written(tmp_path, opened(), *tape[:500], *tape[520:1_000])
    assert book.recording.write_fills(FIRST) is None
    hole = book.recording.recorder.symbols[CODE].axis.holes()[0]
    book.own(Kind.REST, answered(ask_trades(CODE, hole), Venue()).data)
    await book.flush()
    assert book.recording.write_fills(FIRST) is not None
    await book.close()
    again = BinanceRecording(tmp_path)
    again.load()
    assert (again.write_fills(FIRST), again.write_fills("20200101")) == (None, None)
    assert len(again.fills.paths(FIRST)) == 1


async def test_a_day_is_audited_with_its_neighbours_and_no_day_before_them(tmp_path: Path) -> None:
    """OB-905, OB-681: the statement of a day needs the last trade of the day before and the first of the next."""
    book = await written(
        tmp_path,
        opened(),
        *frames(FIRST, SECOND),
    )
    book.own(Kind.REST, answered(ask_end(CODE), Venue()).data)
    await book.flush()
    await book.close()
    again = BinanceRecording(tmp_path)
    again.load([FIRST])
    audit = again.audit(FIRST, 5)
    assert [(line["status"], line["anchors"]) for line in audit["lines"]] == [
        ("complete", {"before": FIRST_ID - 1, "last": MIDNIGHT_ID - 1})
    ]
    later = BinanceRecording(tmp_path)
    later.load(["20240810"])
    assert list(later.recorder.symbols[CODE].lines) == [SECOND]
    assert later.recorder.symbols[CODE].axis.end is not None
    assert later.recorder.symbols[CODE].tips[SECOND].trade_id == LAST_ID
