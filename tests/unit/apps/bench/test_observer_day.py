"""A whole day: memory over it."""

import subprocess
from pathlib import Path

import pytest

from veritape.apps.bench import observer_day
from veritape.apps.bench.observer_day import day, record
from veritape.apps.bench.observer_tape import texts
from veritape.apps.bench.results import QUICK
from veritape.observer.adapters.segment_files import SegmentStore


async def test_a_day_is_recorded_and_sealed_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OB-1041: sealed as it goes, so that memory follows an hour and not the day."""
    few = texts()[:1_400]
    monkeypatch.setattr(observer_day, "texts", lambda: few)
    assert await record(tmp_path) < 200 << 20
    rows = sum(seal.document["rows"] for seal in SegmentStore(tmp_path).seals())
    assert rows == sum(int(text.split(b"|")[2]) for text in few)


def test_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """OB-1041."""

    def answered(command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        Path(command[-1]).mkdir(parents=True, exist_ok=True)
        return subprocess.CompletedProcess(command, 0, stdout="3145728\n")

    monkeypatch.setattr(subprocess, "run", answered)
    assert [(row.name, row.values) for row in day(QUICK)] == [("memory_growth_over_a_tape_day", [3])]
