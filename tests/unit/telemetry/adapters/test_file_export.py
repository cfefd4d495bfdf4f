"""The page as files: whole, of one moment, and never a reason to stop."""

import asyncio
import json
from pathlib import Path

import pytest

from veritape.kernel.clock import NANOSECONDS, ManualClock
from veritape.telemetry import Registry
from veritape.telemetry.adapters.file_export import PERIOD_NS, SUMMARY_NAME, TEXT_NAME, FileExport
from veritape.telemetry.metrics import page_metrics, part_metrics
from veritape.telemetry.page import Page


def exported(folder: Path) -> tuple[FileExport, Page, ManualClock, list[str]]:
    parts = {"observer": Registry(part_metrics("observer"))}
    page = Page(Registry(page_metrics(("observer",), version="1", commit="", python="3")), parts)
    clock, told = ManualClock(wall_ns=5 * NANOSECONDS), list[str]()
    return FileExport(page, folder, clock, told.append), page, clock, told


async def test_both_files_are_written_each_minute_and_at_the_end(tmp_path: Path) -> None:
    """TL-160: bytes of /metrics and of /metrics.json, under their names."""
    export, page, clock, told = exported(tmp_path / "export")
    task = asyncio.create_task(export.run())
    await asyncio.sleep(0)
    assert not (tmp_path / "export").exists()
    clock.advance_ns(PERIOD_NS)
    for _ in range(3):
        await asyncio.sleep(0)
    assert (tmp_path / "export" / TEXT_NAME).read_bytes() == page.text(clock.monotonic_ns())
    document = json.loads((tmp_path / "export" / SUMMARY_NAME).read_bytes())
    assert document["as_of_ns"] == clock.wall_ns()
    (tmp_path / "export" / TEXT_NAME).unlink()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(path.name for path in (tmp_path / "export").iterdir()) == [TEXT_NAME, SUMMARY_NAME]
    assert told == []


def test_a_failing_disk_is_told_once_for_each_streak(tmp_path: Path) -> None:
    """TL-160: one warning, then silence until it works again; nothing is raised."""
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    export, _, _, told = exported(blocked)
    assert [export.write(), export.write()] == [False, False]
    assert len(told) == 1
    assert str(blocked) in told[0]
    blocked.unlink()
    assert export.write()
    for path in blocked.iterdir():
        path.unlink()
    blocked.rmdir()
    blocked.write_bytes(b"")
    assert not export.write()
    assert len(told) == 2
