"""The tape of the benchmarks: the day's frames, as a journal too."""

from pathlib import Path

import pytest
from tests import tape

from veritape.apps.bench import observer_tape
from veritape.apps.bench.observer_tape import folder, frames, texts, write_journal
from veritape.observer.adapters.journal_files import read_journal


def test_the_frames_are_the_day() -> None:
    """OB-805: every frame of the bundled day, in order."""
    assert [frame.data for frame in tape.frames()] == list(texts()) == [frame.data for frame in frames()]


def test_a_journal_holds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OB-502, OB-503: as a file that was never sealed."""
    few = frames()[:250]
    monkeypatch.setattr(observer_tape, "frames", lambda: few)
    path = tmp_path / "20131007" / "0900-0.vtj"
    assert write_journal(path, repeat=2) == path.stat().st_size
    assert [frame for _, _, frame in read_journal(tmp_path)] == [*few, *few]


def test_the_folder_goes_away() -> None:
    """Nothing is left behind."""
    with folder() as place:
        (place / "x").write_bytes(b"")
    assert not place.exists()
