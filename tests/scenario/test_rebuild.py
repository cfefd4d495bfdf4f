"""The journal is the only source: what it gives again is what the recorder had."""

import shutil
from pathlib import Path

import pytest
from tests.tape import DAY, MIDNIGHT_NS, anchors, day_notes, frames

from veritape.kernel.clock import ManualClock
from veritape.observer import journal
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.recording import Recording
from veritape.observer.notes import NoteKind

UNTIL = 32_400_000 + 4_200_000
"""Seventy minutes: two hours of the clock."""


async def recorded(data: Path) -> Recording:
    """Record the tape with losses, sealed as it goes."""
    recording = Recording(data)
    clock = ManualClock(wall_ns=MIDNIGHT_NS + 32_400 * 10**9)
    options = JournalOptions(recording.journal_folder, commit_ms=1, roll_bytes=1 << 20, reserve_bytes=0)
    book = Daybook(recording, options, clock, lambda _: None)
    tape = [*day_notes(), *frames(drop=0.01, until_ms=UNTIL), *anchors(until_ms=UNTIL)]
    for number, one in enumerate(tape, 1):
        clock.step_wall_ns(max(0, one.received_ns - clock.wall_ns()))
        book.frame(one.kind, one.connection, number, one.data)
        if number % 2_000 == 0:
            await book.flush()
            recording.seal_due(DAY, book.now()[1], 0)
    book.note(NoteKind.CLOSED, day=DAY)
    await book.flush()
    recording.seal_due(DAY, 0, 0, all_hours=True)
    await book.close()
    return recording


def rebuilt(source: Path, target: Path) -> Recording:
    """Make everything again from a copy of the journal."""
    shutil.copytree(source / "journal", target / "journal")
    recording = Recording(target)
    recording.load()
    recording.seal_due(DAY, 0, 0, all_hours=True)
    return recording


def contents(data: Path, pattern: str) -> dict[str, bytes]:
    return {
        path.relative_to(data).as_posix(): path.read_bytes()
        for path in data.glob(f"trades/**/{pattern}")
        if path.is_file()
    }


async def test_segments_and_ledger_are_rebuilt_equal(tmp_path: Path) -> None:
    """OB-1021, OB-512, OB-557: twice from the journal, equal bytes with their seals; the recorder's own segments and statement too."""
    live = await recorded(tmp_path / "live")
    once, again = (
        rebuilt(tmp_path / "live", tmp_path / "once"),
        rebuilt(tmp_path / "live", tmp_path / "again"),
    )
    assert contents(once.data, "*.*") == contents(again.data, "*.*")
    assert len(contents(once.data, "*.parquet")) == 2
    assert contents(live.data, "*.parquet") == contents(once.data, "*.parquet")
    assert live.audit(DAY, 1) == once.audit(DAY, 1) == again.audit(DAY, 1)
    assert live.audit(DAY, 1)["totals"]["residual"]["trades"] > 0


@pytest.mark.parametrize("batch", [10, 100])
def test_blocks_are_at_least_five_times_smaller(batch: int) -> None:
    """OB-513: at level 1, over frames of the whole tape."""
    tape = frames()[:: 50_000 // 2_000]
    groups = [list(tape[n : n + batch]) for n in range(0, len(tape), batch)]
    together = [list(frames()[n : n + batch]) for n in range(0, 2_000, batch)]
    for some in (together, groups):
        raw = sum(len(frame.data) for group in some for frame in group)
        stored = sum(len(journal.encode_block(group, 0, 1)) for group in some)
        assert raw / stored >= 5
