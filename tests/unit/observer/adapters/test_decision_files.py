"""The decision log's files: whole hours, complete or not there, equal when written again."""

import json
from pathlib import Path
from typing import Any

import pytest

from veritape.observer import control, inputs
from veritape.observer.adapters.control_database import ControlDatabase
from veritape.observer.adapters.control_index import ControlIndex
from veritape.observer.adapters.decision_files import DecisionFiles, files_of
from veritape.observer.decisions import Limits
from veritape.observer.notes import NoteKind, note
from veritape.observer.track_b import replay
from veritape.observer.triggers import RULES

DAY, HOUR, SECOND = "20131007", 3600, 10**9


@pytest.fixture
def index(tmp_path: Path) -> Any:
    database = ControlDatabase(tmp_path / "control.db")
    yield ControlIndex(database, tmp_path, "KRX")
    database.close()


def files(tmp_path: Path, index: ControlIndex, first_s: int = 9 * HOUR - 300) -> DecisionFiles:
    return DecisionFiles(tmp_path / "export", DAY, 0, first_s, index)


def written(tmp_path: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (tmp_path / "export").glob("*")}


def test_a_window_appears_once_and_whole(tmp_path: Path, index: ControlIndex) -> None:
    """OB-306, OB-722: at its end + 5 s, empty ones too, named by their start."""
    log = files(tmp_path, index)
    log.add(9 * HOUR * SECOND, b"nine\n")
    log.add((9 * HOUR - 10) * SECOND, b"eight\n")
    log.write_due(9 * HOUR + 4, 0)
    assert written(tmp_path) == {}
    log.write_due(9 * HOUR + 5, 0)
    assert written(tmp_path) == {f"decisions_{DAY}_0800.jsonl": b"eight\n"}
    log.write_due(11 * HOUR + 5, 7)
    assert written(tmp_path)[f"decisions_{DAY}_0900.jsonl"] == b"nine\n"
    assert written(tmp_path)[f"decisions_{DAY}_1000.jsonl"] == b""
    index.database.flush()
    assert [(row["path"], row["lines"]) for row in index.database.rows(control.EXPORTS)] == [
        (f"export/decisions_{DAY}_0800.jsonl", 1),
        (f"export/decisions_{DAY}_0900.jsonl", 1),
        (f"export/decisions_{DAY}_1000.jsonl", 0),
    ]


def test_the_overflow_ledger_is_written_at_the_days_end(tmp_path: Path, index: ControlIndex) -> None:
    """OB-348: overflow_YYYYMMDD_HHMM.jsonl, one JSON object a line."""
    log = files(tmp_path, index, 9 * HOUR)
    log.add((10 * HOUR + 1) * SECOND, b"ten\n")
    log.finish(9 * HOUR + 40, [{"at_ns": (9 * HOUR + 60) * SECOND, "code": "A"}], 0)
    content = written(tmp_path)
    assert sorted(content) == [
        f"decisions_{DAY}_0900.jsonl",
        f"decisions_{DAY}_1000.jsonl",
        f"overflow_{DAY}_0900.jsonl",
    ]
    assert json.loads(content[f"overflow_{DAY}_0900.jsonl"])["code"] == "A"


def test_the_same_lines_again_are_the_same_bytes(tmp_path: Path, index: ControlIndex) -> None:
    """OB-306, OB-512: after a restart the files are written again, equal."""
    contents = []
    for _ in range(2):
        log = files(tmp_path, index)
        for second in range(8 * HOUR + 3500, 11 * HOUR, 500):
            log.add(second * SECOND, f"{second}\n".encode())
        log.finish(15 * HOUR, [], 0)
        contents.append(written(tmp_path))
    assert contents[0] == contents[1]
    assert sum(content.count(b"\n") for content in contents[0].values()) == 15


def told(second: int, **fact: Any) -> bytes:
    return note(NoteKind.TRACK_B, day=DAY, at_ns=second * SECOND, **fact)


def test_a_closed_days_files_follow_from_its_inputs() -> None:
    """OB-306, OB-512: every hour from the first input to the close; before the close the last hour is not complete."""
    given = [
        told(8 * HOUR + 3500, **inputs.begun((9 * HOUR, 15 * HOUR), 600, 37, {"A": (1, 1, False)}, ())),
        told(8 * HOUR + 3500, **inputs.configured(RULES, Limits(1), ("B",))),
        told(10 * HOUR, input="ranking", list="volume", ranks=[["A", 1]]),
    ]
    _, lines = replay(given)
    assert files_of(given, DAY, 0) == {
        f"decisions_{DAY}_0800.jsonl": lines[0],
        f"decisions_{DAY}_0900.jsonl": b"",
    }
    given.append(told(11 * HOUR + 60, input="closed"))
    found = files_of(given, DAY, 0)
    assert list(found)[2:] == [
        f"decisions_{DAY}_1000.jsonl",
        f"decisions_{DAY}_1100.jsonl",
        f"overflow_{DAY}_1000.jsonl",
    ]
    assert json.loads(found[f"overflow_{DAY}_1000.jsonl"])["code"] == "A"
    assert files_of([], DAY, 0) == {}
