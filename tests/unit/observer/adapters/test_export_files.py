"""Window files, first and again."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
import zstandard
from pyarrow import parquet
from tests.recorded_day import CODES, SWEEP, day_frames, record_day

from veritape.kernel.canonical import canonical_json
from veritape.observer.adapters.export_files import Exporter, ExportFolder, Rebuilt, rebuild
from veritape.observer.exports import ExportKind
from veritape.observer.journal import Kind
from veritape.replay.schedule import midnight_ns

DAY = "20131007"
NOW_NS = 1 << 62
ALL = tuple(ExportKind)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    record_day(tmp_path, DAY)
    ended_ns = midnight_ns(DAY) + 32_404 * 10**9
    folder = tmp_path / "sweeps" / "venue=KRX" / f"day={DAY}"
    (folder / "0900.json").write_bytes(canonical_json({**SWEEP, "ended_ns": ended_ns, "received": 1}))
    parquet.write_table(pa.table({"code": ["990001"], "price": [5]}), folder / "0900.parquet")
    return tmp_path


def ignore(_path: Path, _kind: str, _day: str, _content: bytes) -> None:
    """Tell nobody."""


def test_a_days_windows_from_its_journal(data: Path) -> None:
    """OB-721, OB-722: every recorded trade is in a scalp window, every event in a system window, sweeps in swing."""
    windows = Exporter(data, "KRX", DAY, ALL).finished(NOW_NS)
    trades = [json.loads(line) for one in windows if one.kind is ExportKind.SCALP for line in one.lines]
    assert {trade["code"] for trade in trades} == set(CODES)
    assert len(trades) == 121
    assert [one.name for one in windows if one.kind is ExportKind.SCALP][:2] == [
        "scalp_20131007_0900.jsonl", "scalp_20131007_0901.jsonl",
    ]  # fmt: skip
    notes = sum(frame.kind is Kind.NOTE for frame in day_frames(DAY))
    assert sum(len(one.lines) for one in windows if one.kind is ExportKind.SYSTEM) == notes
    (swing,) = [one for one in windows if one.kind is ExportKind.SWING and one.lines]
    assert (swing.name, swing.lines) == ("swing_20131007_0900.jsonl", (b'{"code":"990001","price_krw":5}',))


@pytest.mark.parametrize("compress", [False, True])
def test_rebuilt_files_have_the_same_bytes(data: Path, compress: bool) -> None:
    """OB-721, OB-512, OB-1021: written in steps while the day grew, and again from the journal."""
    live = Exporter(data, "KRX", DAY, ALL)
    folder = ExportFolder(data / "export", compress)
    for second in range(32_000, 58_500, 500):
        for window in live.finished(midnight_ns(DAY) + second * 10**9):
            assert folder.write(window, ignore)
            assert not folder.write(window, ignore), "a window file appears once"
    count = len(list((data / "export").glob("s*_*")))
    assert count == len(list((data / "export").glob("*.jsonl.zst" if compress else "*.jsonl"))) > 400
    assert rebuild(data, "KRX", DAY, ALL, folder, NOW_NS) == Rebuilt((), count, ())
    one = next((data / "export").glob("scalp_20131007_0900*"))
    if compress:
        assert json.loads(zstandard.decompress(one.read_bytes()).splitlines()[0])["code"] in CODES
    one.unlink()
    other = next((data / "export").glob("system_20131007_08*"))
    other.write_bytes(b"{}\n")
    assert rebuild(data, "KRX", DAY, ALL, folder, NOW_NS) == Rebuilt((one.name,), count - 2, (other.name,))


def test_the_next_days_first_frame_completes_the_last_window(data: Path) -> None:
    """OB-722: and nothing of the next day is written for this one."""
    folder = ExportFolder(data / "again")
    before = rebuild(data, "KRX", DAY, (ExportKind.SYSTEM,), folder, NOW_NS)
    record_day(data, "20131008")
    record_day(data, "20131010")
    assert rebuild(data, "KRX", DAY, (ExportKind.SYSTEM,), folder, NOW_NS).same >= len(before.written)
    assert not list((data / "again").glob("*20131008*"))


def test_a_recorder_that_runs_for_months_forgets(data: Path) -> None:
    """OB-012: of days that are over neither trades nor paths stay."""
    exporter = Exporter(data, "KRX", DAY, ALL)
    exporter.finished(NOW_NS)
    for day in ("20131008", "20131010", "20131011"):
        record_day(data, day)
        exporter.finished(NOW_NS)
    assert exporter._recorder is not None
    assert sorted(exporter._recorder.days) == ["20131010", "20131011"]
    assert {path.parent.name for path in exporter._seen} <= {"day=20131010", "day=20131011", "day=20131008"}
    exporter.stopped = True
    record_day(data, "20131014")
    assert exporter.finished(NOW_NS) == []
