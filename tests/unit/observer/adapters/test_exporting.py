"""Window files while the recorder runs."""

import asyncio
import json
from pathlib import Path

from tests.tape import DAY, MIDNIGHT_NS, frames
from tests.waiting import PATIENCE_S

from veritape.kernel.clock import ManualClock
from veritape.observer import control
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.export_files import Exporter, ExportFolder
from veritape.observer.adapters.exporting import LiveExports
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.recording import Recording
from veritape.observer.exports import ExportKind
from veritape.observer.journal import Kind
from veritape.observer.notes import NoteKind

SECOND = 10**9


async def test_a_minute_of_trades_appears_five_seconds_after_its_end(tmp_path: Path) -> None:
    """OB-722, OB-561, OB-510: whole, of durable frames, indexed in control.db; a stopped recorder reads no further."""
    clock = ManualClock(wall_ns=MIDNIGHT_NS + 32_390 * SECOND)
    recording = Recording(tmp_path)
    book = Daybook(
        recording, JournalOptions(recording.journal_folder, reserve_bytes=0), clock, lambda _: None
    )
    await book.loaded
    exporter = Exporter(tmp_path, "KRX", DAY, (ExportKind.SCALP,))
    room = [True]
    exports = LiveExports(exporter, ExportFolder(tmp_path / "export"), book, clock, lambda: room[0])
    running = asyncio.create_task(exports.run())
    book.note(NoteKind.DAY, day=DAY, venue="KRX", open_s=32_400, close_s=55_800, codes={})
    clock.advance_ns(11 * SECOND)
    sent = frames(("990001",), until_ms=32_400_000 + 30_000)
    for number, frame in enumerate(sent, 1):
        book.frame(Kind.TEXT, 1, number, frame.data)
    await book.flush()
    path = tmp_path / "export" / "scalp_20131007_0900.jsonl"
    assert not path.exists()
    clock.advance_ns(63 * SECOND)
    await exports.write()
    assert not path.exists()
    clock.advance_ns(2 * SECOND)
    room[0] = False
    await exports.write()
    assert not path.exists(), "OB-510: the journal has the last of the disk; the window waits there"
    room[0] = True
    await asyncio.gather(exports.write(), exports.write())
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert len(lines) == sum(line.recorded.trades for line in recording.recorder.days[DAY].lines.values()) > 0
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert exporter.stopped
    book.index.database.flush()
    (row,) = book.index.database.rows(control.EXPORTS)
    assert (row["path"], row["kind"], row["day"], row["lines"]) == (
        "export/scalp_20131007_0900.jsonl", "scalp", DAY, len(lines),
    )  # fmt: skip
    await book.close()


async def test_nothing_is_read_when_nothing_is_wanted(tmp_path: Path) -> None:
    exports = LiveExports(Exporter(tmp_path, "KRX", DAY, ()), ExportFolder(tmp_path), None, ManualClock())  # type: ignore[arg-type]
    await asyncio.wait_for(exports.run(), PATIENCE_S)
    await exports.write()
