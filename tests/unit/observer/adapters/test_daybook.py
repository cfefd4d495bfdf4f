"""The writing side: durable first, then applied."""

import asyncio
import errno
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.tape import DAY, MIDNIGHT_NS, frames, recorded, recorded_of
from tests.waiting import PATIENCE_S

from veritape.kernel.clock import ManualClock
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.journal_files import read_journal
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.storage import Disk
from veritape.observer.completeness import Line
from veritape.observer.gaps import Cause
from veritape.observer.journal import Kind
from veritape.observer.notes import NoteKind
from veritape.observer.recorder import Applied
from veritape.observer.rows import TradeRows

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
    written = len(list(read_journal(second.recording.journal_folder)))
    assert (second.recovered, await second.loaded) == ([], written)
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
    await asyncio.wait_for(waiting, PATIENCE_S)
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


async def test_a_restarted_book_takes_frames_before_it_has_read_the_journal(tmp_path: Path) -> None:
    """OB-509: the journal accepts writes at once; new frames are durable meanwhile and applied after the old ones."""
    tape = frames(until_ms=UNTIL)
    first = opened(tmp_path, [])
    for number, frame in enumerate(tape[:-3], 1):
        first.frame(Kind.TEXT, 1, number, frame.data)
    await first.flush()
    await first.close()
    applied: list[Applied] = []
    second = opened(tmp_path, applied)
    reading = second._reading
    gate = asyncio.Event()

    def slowly() -> Iterator[int]:
        yield from reading
        while not gate.is_set():
            yield 0

    second._reading = slowly()
    for number, frame in enumerate(tape[-3:], 1):
        second.frame(Kind.TEXT, 2, number, frame.data)
    while second.writer.watermark.frames < 4:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (applied, second.lag_frames, second.loaded.done()) == ([], 4, False)
    gate.set()
    await second.flush()
    total = recorded_of(second.recording.recorder.days[DAY])
    assert total == recorded_of(recorded(*tape).days[DAY])
    assert sum(one.recorded for one in applied) == sum(one.data.count(b"^2013") for one in tape[-3:])
    await second.close()


async def test_a_book_that_cannot_read_its_journal_says_so(tmp_path: Path) -> None:
    """OB-011: a bug while the journal is read again ends whoever waits for it."""
    book = opened(tmp_path, [])
    book._reading = (1 // 0 for _ in range(1))
    with pytest.raises(ZeroDivisionError):
        await book.flush()
    with pytest.raises(ZeroDivisionError):
        await book.close()


async def test_a_checkpoint_spares_what_came_before_it(tmp_path: Path) -> None:
    """OB-509, OB-561: a restart goes on from the last checkpoint and knows what reading everything tells."""
    tape = frames(until_ms=UNTIL + 30_000)
    first = opened(tmp_path, [])
    for number, frame in enumerate(tape, 1):
        first.frame(Kind.TEXT, 1, number, frame.data)
        if number == len(tape) // 2:
            await first.flush()
            first.recording.seal_due(DAY, 0, 0, all_hours=True)
            first.checkpoint(DAY)
    await first.flush()
    await first.close()
    second = opened(tmp_path, [])
    read = await second.loaded
    assert 0 < read <= len(tape) // 2 + 1
    await second.flush()
    whole = Recording(tmp_path)
    assert whole.load() > read
    await second.close()
    for name in ("lines", "watches", "rows", "facts", "anchors"):
        mine, theirs = (getattr(one.recorder.days[DAY], name) for one in (second.recording, whole))
        assert repr_of(mine) == repr_of(theirs), name
    assert (second.recording._before, second.recording._blocks) == (whole._before, whole._blocks)


def repr_of(value: object) -> object:
    """Return what a part of a day holds, to be compared."""
    if isinstance(value, dict):
        return {key: repr_of(one) for key, one in value.items()}
    if isinstance(value, TradeRows):
        return list(value)
    return vars(value) if isinstance(value, Line) else value


async def test_a_checkpoint_of_other_files_or_another_program_is_none(tmp_path: Path) -> None:
    """OB-509: then everything is read."""
    first = opened(tmp_path, [])
    for number, frame in enumerate(frames(until_ms=UNTIL), 1):
        first.frame(Kind.TEXT, 1, number, frame.data)
    await first.flush()
    whole = first.recording.checkpoint()
    assert whole is not None
    await first.close()
    for wrong in (whole._replace(file="0901-0.vtj"), whole._replace(state=whole.state[:-1])):
        recording = Recording(tmp_path)
        assert sum(recording.loading([DAY], wrong)) == len(frames(until_ms=UNTIL)) + 1
    assert sum(Recording(tmp_path).loading([DAY], whole)) == 0
    assert Recording(tmp_path).checkpoint() is None


async def test_a_full_disk_is_the_last_thing_that_the_journal_tells(tmp_path: Path) -> None:
    """OB-510: an event with the last durable connection and sequence, in the sealed file; a restart goes on."""
    recording = Recording(tmp_path)
    options = JournalOptions(recording.journal_folder, reserve_bytes=1 << 16, commit_ms=0)
    book = Daybook(recording, options, ManualClock(wall_ns=NOW_NS), lambda _: None, FullOnce(3))
    for number, frame in enumerate(frames(until_ms=UNTIL)[:9], 1):
        book.frame(Kind.TEXT, 1, number, frame.data)
        await book.flush()
    assert "of connection" in (await book.failed).message
    await book.close()
    (
        *_,
        (_, _, last),
    ) = read_journal(recording.journal_folder)
    facts = json.loads(last.data)
    durable = [one for _, _, one in read_journal(recording.journal_folder) if one.kind is Kind.TEXT]
    assert facts == {"note": "disk_full", "connection": 1, "sequence": durable[-1].sequence}
    again = opened(tmp_path, [])
    assert (again.recovered, await again.loaded) == ([], len(durable) + 2)
    await again.close()


class FullOnce(Disk):
    """Full at the n-th write, and never again."""

    def __init__(self, number: int) -> None:
        self._left = number

    def write(self, descriptor: int, data: bytes) -> None:
        self._left -= 1
        if self._left == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(descriptor, data)
