"""States of the recorder: read back whole, or not at all."""

import os
from collections import deque
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tape import day_notes, frames, recorded

from veritape.observer.adapters import checkpoints
from veritape.observer.recorder import Recorder


def test_a_state_comes_back() -> None:
    """OB-509: every line, row, book and watch of a day."""
    recorder = recorded(*day_notes(), *frames(until_ms=32_400_000 + 30_000))
    state = checkpoints.decode(checkpoints.encode(vars(recorder)))
    assert state is not None
    other = Recorder()
    vars(other).update(state)
    assert [line.recorded for line in other.days["20131007"].lines.values()] == [
        line.recorded for line in recorder.days["20131007"].lines.values()
    ]
    assert other.days["20131007"].rows == recorder.days["20131007"].rows


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_changed_byte_makes_it_void(place: int, flip: int) -> None:
    """OB-509, OB-991: a state with a wrong digest is no state."""
    data = checkpoints.encode({"axis": deque([1, 2])})
    place %= len(data)
    assert checkpoints.decode(data[:place] + bytes([data[place] ^ flip]) + data[place + 1 :]) is None


def test_another_program_wrote_no_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """OB-509: after an update everything is read from the journal."""
    data = checkpoints.encode((1, 2))
    assert checkpoints.decode(data) == (1, 2)
    monkeypatch.setattr(checkpoints, "_program", lambda: b"another")
    assert checkpoints.decode(data) is None


@pytest.mark.parametrize("changed", ["recorder.py", "binance/recorder.py"])
def test_a_change_to_any_subject_module_is_another_program(tmp_path: Path, changed: str) -> None:
    """OB-509: those of the second venue lie in a package below; adapters decide nothing."""
    for name in ("recorder.py", "binance/recorder.py", "adapters/stream.py", "adapters/binance/stream.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("a = 1")
    before = checkpoints.program_digest([tmp_path])
    for name in ("adapters/stream.py", "adapters/binance/stream.py"):
        (tmp_path / name).write_text("a = 2")
    assert checkpoints.program_digest([tmp_path]) == before
    (tmp_path / changed).write_text("a = 2")
    assert checkpoints.program_digest([tmp_path]) != before


def test_a_state_is_gone_on_from_where_its_file_is(tmp_path: Path) -> None:
    """OB-509: a file that is gone, or a state of another program: everything is read."""
    paths = [tmp_path / "20131007" / name for name in ("a", "b")]
    there = checkpoints.Checkpoint("20131007", "b", 7, checkpoints.encode((1, 2)))
    assert checkpoints.resume(there, paths) == ((1, 2), 1, 7)
    assert checkpoints.resume(None, paths) is None
    assert checkpoints.resume(there, paths[:1]) is None
    assert checkpoints.resume(there._replace(state=b""), paths) is None


class Planted:
    """Unpickles by running a command."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("exit 7",)


@pytest.mark.parametrize("value", [Planted(), os.stat_result, checkpoints.Checkpoint])
def test_nothing_but_values_is_read(value: object) -> None:
    """OB-992: even with the right digest a state names no function and no class from elsewhere."""
    assert checkpoints.decode(checkpoints.encode(value)) is None


@given(st.binary(max_size=100))
def test_any_bytes_are_a_state_or_none(data: bytes) -> None:
    """OB-992: also behind a right digest."""
    assert checkpoints.decode(data) is None
    checkpoints.decode(checkpoints._digest(data) + data)
