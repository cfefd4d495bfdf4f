"""A log file that is begun anew."""

import json
import os
from pathlib import Path

import pytest
import structlog
import zstandard

from veritape.kernel.clock import NANOSECONDS, ManualClock
from veritape.telemetry import Registry
from veritape.telemetry.adapters.log_file import DAY_NS, KEPT, LIMIT_BYTES, LogFile
from veritape.telemetry.adapters.logs import configure_logs
from veritape.telemetry.metrics import LOG_RECORDS

SEOUL_NS = 9 * 3600 * NANOSECONDS
NOON_NS = 20_000 * DAY_NS + 12 * 3600 * NANOSECONDS - SEOUL_NS


def lines_of(path: Path) -> list[str]:
    content = path.read_bytes()
    if path.suffix == ".zst":
        content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
    return content.decode().splitlines()


def everything(folder: Path) -> list[str]:
    """Return every line that is left, oldest first."""
    names = [path.name for path in folder.iterdir() if path.name != "record.log"]
    names.sort(key=lambda name: int(name.split(".")[2]))
    return [line for name in [*names, "record.log"] for line in lines_of(folder / name)]


def test_a_file_is_begun_anew_at_its_size_and_thirty_stay(tmp_path: Path) -> None:
    """OB-723: at 64 MiB; 30 files; zstd; no line is lost or cut."""
    assert (LIMIT_BYTES, KEPT) == (64 * 1024 * 1024, 30)
    log = LogFile(tmp_path / "record.log", ManualClock(wall_ns=NOON_NS), SEOUL_NS, limit_bytes=100)
    written = [f"{number:049}" for number in range(80)]
    for line in written:
        log.write(f"{line}\n")
    log.close()
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".log", *[".zst"] * 30]
    assert everything(tmp_path) == written[80 - 62 :]
    assert (tmp_path / "record.log").stat().st_mode & 0o777 == 0o640


def test_a_file_is_begun_anew_at_midnight_of_its_place(tmp_path: Path) -> None:
    """OB-723: in Seoul, also when the process was down at midnight; an empty file is not."""
    clock = ManualClock(wall_ns=NOON_NS)
    log = LogFile(tmp_path / "record.log", clock, SEOUL_NS)
    clock.step_wall_ns(DAY_NS)
    log.write("first\n")
    clock.step_wall_ns(12 * 3600 * NANOSECONDS - 1)
    log.write("before midnight\n")
    clock.step_wall_ns(1)
    log.write("after midnight\n")
    log.flush()
    assert lines_of(tmp_path / "record.log.1.zst") == ["first", "before midnight"]
    assert lines_of(tmp_path / "record.log") == ["after midnight"]
    log.close()
    os.utime(tmp_path / "record.log", ns=(clock.wall_ns(), clock.wall_ns()))
    clock.step_wall_ns(DAY_NS)
    again = LogFile(tmp_path / "record.log", clock, SEOUL_NS)
    again.write("next day\n")
    again.close()
    assert everything(tmp_path) == ["first", "before midnight", "after midnight", "next day"]


def test_what_a_crash_left_is_compressed_by_the_next_start(tmp_path: Path) -> None:
    """OB-723: between moving a file aside and compressing it."""
    (tmp_path / "record.log.7").write_text("left\n")
    (tmp_path / "record.log.old").write_text("not ours\n")
    LogFile(tmp_path / "record.log", ManualClock(wall_ns=NOON_NS), SEOUL_NS).close()
    assert lines_of(tmp_path / "record.log.7.zst") == ["left"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "record.log",
        "record.log.7.zst",
        "record.log.old",
    ]


def test_the_recorders_records_go_there(tmp_path: Path) -> None:
    """OB-723, TL-600: as the stream of the log."""
    log = LogFile(tmp_path / "logs" / "record.log", ManualClock(wall_ns=NOON_NS), SEOUL_NS)
    output = configure_logs("observer", "info", Registry((LOG_RECORDS,)), ManualClock(), log)
    structlog.get_logger().info("day_begun", day="20131007")
    output.close()
    log.close()
    structlog.reset_defaults()
    assert json.loads(lines_of(tmp_path / "logs" / "record.log")[0])["event"] == "day_begun"


def test_a_file_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    (tmp_path / "record.log").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        LogFile(tmp_path / "record.log", ManualClock(), 0)
