"""Gaps told of while they live: note, control.db, log."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.broker import broker, rest_of
from tests.tape import DAY, MIDNIGHT_NS, anchors, day_notes, frames, own_note

from veritape.kernel.clock import ManualClock
from veritape.observer import control
from veritape.observer.adapters.control_index import journalled_notes
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.gap_watch import GapWatch
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.recording import Recording
from veritape.observer.notes import NoteKind

UNTIL = 32_400_000 + 120_000
LATER_NS = MIDNIGHT_NS + (UNTIL + 5_000) * 1_000_000


class Afternoon:
    """A clock that stands."""

    def wall_ns(self) -> int:
        return LATER_NS

    def monotonic_ns(self) -> int:
        return LATER_NS

    async def sleep_until(self, monotonic_ns: int) -> None:
        """Return at once."""


@pytest.fixture
async def book(tmp_path: Path) -> AsyncIterator[Daybook]:
    async with broker(seconds=60) as one, rest_of(one, tmp_path) as (_, clock):
        recording = Recording(tmp_path)
        options = JournalOptions(recording.journal_folder, reserve_bytes=0)
        one_book = Daybook(recording, options, clock, lambda _: None)
        yield one_book
        await one_book.close()


async def test_a_lossy_line_tells_each_gap_twice(book: Daybook) -> None:
    """OB-671, OB-561, OB-512: an opening and a closing record a gap: journal note, row of control.db, log line."""
    recorder, watch = book.recording.recorder, GapWatch(book, Afternoon())
    for frame in [*day_notes(), *frames(drop=0.05, until_ms=UNTIL)]:
        recorder.apply(frame)
    with capture_logs() as logs:
        opened = watch.look(DAY)
        assert watch.look(DAY) == []
        for frame in [*anchors(until_ms=UNTIL), own_note(NoteKind.CLOSED, 56_000, day=DAY)]:
            recorder.apply(frame)
        closed = watch.look(DAY)
    assert len(closed) >= len(opened) > 10
    told = [entry["event"] for entry in logs if entry["event"].startswith("gap_")]
    assert len(told) == len(opened) + len(closed)
    await book.flush()
    book.index.database.flush()
    rows = {row["id"]: row["state"] for row in book.index.database.rows(control.GAPS)}
    assert set(rows.values()) == {"residual"}
    assert set(rows) == {record.gap["id"] for record in closed}
    notes = list(journalled_notes(book.recording.journal_folder, {NoteKind.GAP}))
    assert len(notes) == len(told)


async def test_a_sweep_that_is_ahead_is_a_suspicion_until_the_stream_follows(book: Daybook) -> None:
    """OB-671, OB-642, OB-211: suspected 3 s after the answer, cleared by the next records; nothing is told of another day."""
    recorder, watch = book.recording.recorder, GapWatch(book, Afternoon())
    taped = list(frames(("990001",), until_ms=UNTIL))
    for frame in [*day_notes(("990001",)), *taped[:-5]]:
        recorder.apply(frame)
    end = recorder.days[DAY].line("990001").end.chain_shares
    recorder.sweep_saw(DAY, "990001", end + 1, LATER_NS - 4_000_000_000)
    (suspected,) = watch.look(DAY)
    assert (suspected.gap["state"], suspected.gap["shares"], suspected.gap["levels"]) == (
        "suspected",
        1,
        ["e"],
    )
    for frame in taped[-5:]:
        recorder.apply(frame)
    (cleared,) = watch.look(DAY)
    assert (cleared.moment.value, cleared.gap["state"], cleared.gap["id"]) == (
        "closed",
        "cleared",
        suspected.gap["id"],
    )


@pytest.mark.parametrize("step_s", [-3_600, 3_600])
async def test_a_clock_that_is_set_settles_no_suspicion(book: Daybook, step_s: int) -> None:
    """OB-004, OB-211: three seconds are three seconds: not at once after a step forward, not an hour late after one back."""
    recorder, clock = book.recording.recorder, ManualClock(wall_ns=LATER_NS)
    watch = GapWatch(book, clock)
    for frame in [*day_notes(("990001",)), *frames(("990001",), until_ms=UNTIL)]:
        recorder.apply(frame)
    end = recorder.days[DAY].line("990001").end.chain_shares
    recorder.sweep_saw(DAY, "990001", end + 1, clock.monotonic_ns())
    clock.step_wall_ns(step_s * 10**9)
    assert watch.look(DAY) == []
    clock.advance_ns(3 * 10**9)
    assert [record.gap["state"] for record in watch.look(DAY)] == ["suspected"]
