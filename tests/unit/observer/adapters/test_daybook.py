"""The writing side: durable first, then applied."""

import asyncio
from pathlib import Path

from tests.tape import DAY, MIDNIGHT_NS, frames

from veritape.kernel.clock import ManualClock
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.journal_files import JournalOptions, read_journal
from veritape.observer.adapters.recording import Recording
from veritape.observer.gaps import Cause
from veritape.observer.journal import Kind
from veritape.observer.recorder import Applied, NoteKind

NOW_NS = MIDNIGHT_NS + 32_410 * 10**9
UNTIL = 32_400_000 + 30_000


def opened(data: Path, applied: list[Applied]) -> Daybook:
    recording = Recording(data)
    options = JournalOptions(recording.journal_folder, reserve_bytes=0)
    return Daybook(recording, options, ManualClock(wall_ns=NOW_NS), applied.append)


async def test_frames_are_applied_once_they_are_durable(tmp_path: Path) -> None:
    """OB-005, OB-455: only acknowledged trades are counted; flush waits for them."""
    applied: list[Applied] = []
    book = opened(tmp_path, applied)
    for number, frame in enumerate(frames(until_ms=UNTIL), 1):
        book.frame(Kind.TEXT, 1, number, frame.data)
    assert book.recording.recorder.days == {}
    assert book.lag_frames == len(frames(until_ms=UNTIL)) + 1
    await book.flush()
    assert book.lag_frames == 0
    assert sum(one.recorded for one in applied) == sum(
        line.recorded.trades for line in book.recording.recorder.days[DAY].lines.values()
    )
    await book.close()


async def test_a_restarted_book_knows_what_the_first_one_wrote(tmp_path: Path) -> None:
    """OB-512, OB-675: the journal is read again; what was watched ended with the process."""
    first = opened(tmp_path, [])
    first.note(NoteKind.WATCH_OPENED, day=DAY, code="990001", event_s=32_390)
    for number, frame in enumerate(frames(until_ms=UNTIL), 1):
        first.frame(Kind.TEXT, 1, number, frame.data)
    await first.flush()
    await first.close()
    second = opened(tmp_path, [])
    assert (second.recovered, second.loaded_frames) == (
        [],
        len(list(read_journal(second.recording.journal_folder))),
    )
    await second.flush()
    day = second.recording.recorder.days[DAY]
    assert day.lines["990001"].recorded == first.recording.recorder.days[DAY].lines["990001"].recorded
    assert [watch.cause for watch in day.watches["990001"]] == [Cause.PROCESS_DOWN]
    assert second.now() == (DAY, 32_410)
    await second.close()


async def test_a_failed_disk_ends_the_wait(tmp_path: Path) -> None:
    """OB-510: flush returns when nothing more can become durable."""
    book = opened(tmp_path, [])
    await book.flush()
    book._appended += 1
    waiting = asyncio.create_task(book.flush())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    book.failed.set_result(ValueError("full"))  # type: ignore[arg-type]
    await asyncio.wait_for(waiting, 5)
    await book.close()


async def test_a_frame_that_cannot_be_read_is_kept_told_and_indexed(tmp_path: Path) -> None:
    """OB-457, OB-991: an unknown width and malformed JSON: raw in the journal, an entry and one line each; the session goes on."""
    told: list[str] = []
    recording = Recording(tmp_path)
    options = JournalOptions(recording.journal_folder, reserve_bytes=0)
    book = Daybook(recording, options, ManualClock(wall_ns=NOW_NS), lambda _: None, say=told.append)
    bad = [b"0|H0STCNT0|001|990001^090014", b'{"header":', b"\xff\xfe"]
    for number, data in enumerate([*bad, frames(until_ms=UNTIL)[0].data], 1):
        book.frame(Kind.TEXT, 1, number, data)
    await book.flush()
    await book.close()
    assert [line.split(":")[1].split(" (")[0].split(";")[0] for line in told] == [
        " unknown_width",
        " bad_json",
        " not_text",
    ]
    kept = [one.data for _, _, one in read_journal(recording.journal_folder) if one.kind is Kind.TEXT]
    assert kept[:3] == bad
    assert len((tmp_path / "quarantine" / f"frames-{DAY}.jsonl").read_text().splitlines()) == 3
    assert sum(line.recorded.trades for line in recording.recorder.days[DAY].lines.values()) > 0
