"""Behind a writer."""

from pathlib import Path

from tests.recorded_day import day_frames, write_journal

from veritape.observer.adapters.journal_tail import JournalTail


def test_every_frame_comes_once_however_the_file_grows(tmp_path: Path) -> None:
    """OB-722: a block that is half there waits; nothing twice, nothing left out."""
    frames = day_frames("20131007")
    write_journal(tmp_path / "20131007" / "0900-0.vtj", frames)
    path = tmp_path / "20131007" / "0900-0.vtj"
    whole = path.read_bytes()
    path.chmod(0o644)
    tail = JournalTail(tmp_path, "20131007")
    found = []
    for size in (0, 30, 64, 500, len(whole) // 2, len(whole) - 10, len(whole)):
        path.write_bytes(whole[:size])
        found += list(tail.frames())
    assert tuple(found) == frames
    assert list(tail.frames()) == []


def test_days_are_read_in_order_and_old_ones_are_left(tmp_path: Path) -> None:
    """OB-012: a recorder that runs for months looks at the newest two."""
    for day in ("20131004", "20131007", "20131008", "20131010"):
        write_journal(tmp_path / day / "0900-0.vtj", day_frames(day))
    tail = JournalTail(tmp_path, "20131007")
    expected = day_frames("20131007") + day_frames("20131008") + day_frames("20131010")
    assert tuple(tail.frames()) == expected
    assert {path.parent.name for path in tail._read} == {"20131008", "20131010"}
    assert list(tail.frames()) == []
    only = JournalTail(tmp_path, "20131004", "20131007")
    assert tuple(only.frames()) == day_frames("20131004") + day_frames("20131007")
