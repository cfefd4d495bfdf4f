"""What of a data folder is backed up."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.recorded_day import DAYS, record_day

from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import CheckFailedError
from veritape.observer.adapters.backup.source import CALENDAR, CONTROL, Source
from veritape.observer.manifests import BackupReason, digest
from veritape.telemetry.adapters.audit_files import AuditFiles
from veritape.telemetry.audit_log import AuditKind, Entry


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for day in DAYS[:2]:
        record_day(tmp_path, day)
    return tmp_path


def test_a_days_files_and_the_seal_before_them(data: Path) -> None:
    """OB-751: sealed journal, segments, seals, sweeps, universe, audit; never the token; no file of another day."""
    for extra in (
        "backfill/trades/venue=KRX/day=20131008/0900-1.parquet",
        "export/scalp_20131008_0900.jsonl",
    ):
        (data / extra).parent.mkdir(parents=True, exist_ok=True)
        (data / extra).write_bytes(b"x")
    files = [file.path for file in Source(data).files("20131008")]
    assert files == [
        "backfill/trades/venue=KRX/day=20131008/0900-1.parquet",
        "export/audit_20131008.json",
        "export/scalp_20131008_0900.jsonl",
        "journal/KRX/20131008/0851-0.vtj",
        "sweeps/venue=KRX/day=20131008/0900.json",
        "trades/venue=KRX/day=20131007/09.seal.json",
        "trades/venue=KRX/day=20131008/09.parquet",
        "trades/venue=KRX/day=20131008/09.seal.json",
        "universe/20131008_kr_stocks.json",
    ]
    first = [file.path for file in Source(data).files("20131007")]
    assert not any("20131008" in path for path in first)


def test_an_open_journal_file_and_a_half_written_one_stay(data: Path) -> None:
    """OB-751: only what is sealed."""
    folder = data / "journal" / "KRX" / "20131008"
    (folder / "1000-0.vtj").write_bytes(b"open")
    (data / "trades" / "venue=KRX" / "day=20131008" / ".10.parquet.ab.tmp").write_bytes(b"half")
    assert not [
        file.path for file in Source(data).files("20131008") if "1000" in file.path or ".tmp" in file.path
    ]


def test_a_link_is_refused(data: Path) -> None:
    """OB-755: no link: bad_path at backup."""
    (data / "export" / "swing_20131008_0900.jsonl").symlink_to("/etc/passwd")
    with pytest.raises(CheckFailedError, match="no link") as caught:
        Source(data).files("20131008")
    assert caught.value.reason is BackupReason.BAD_PATH


def test_a_day_is_over_with_its_report_or_when_another_followed(data: Path) -> None:
    """OB-751: a day that was cut short is sent once a newer one is recorded."""
    (data / "export" / "audit_20131007.json").unlink()
    assert Source(data).over_days() == ["20131007", "20131008"]
    (data / "export" / "audit_20131008.json").unlink()
    assert (Source(data).days(), Source(data).over_days()) == (["20131007", "20131008"], ["20131007"])
    assert Source(data / "none").over_days() == []


def test_the_control_state_is_copied_by_sqlites_own_backup(data: Path) -> None:
    """OB-751: while another process writes it; the calendar goes along."""
    calendar = data / "elsewhere.toml"
    calendar.write_text("")
    with closing(sqlite3.connect(data / CONTROL)) as control:
        control.execute("pragma journal_mode = wal")
        control.execute("create table gaps (id)")
        control.execute("insert into gaps values (5)")
        control.commit()
        control.execute("insert into gaps values (6)")
        copies = Source(data, "KRX", calendar).copies()
    assert copies[CALENDAR] == calendar
    with closing(sqlite3.connect(copies[CONTROL])) as copy:
        assert copy.execute("select id from gaps").fetchall() == [(5,)]
    assert Source(data / "none").copies() == {}


def test_hashes_figures_and_the_last_seal(data: Path) -> None:
    """OB-754: what a manifest says of a day."""
    source = Source(data)
    (file, *_) = source.files("20131007")
    assert source.entry(file).blake3 == digest((data / file.path).read_bytes())
    assert {code: line.status for code, line in source.figures("20131007").items()} == {
        "990001": "complete",
        "990002": "complete",
    }
    seal = data / "trades" / "venue=KRX" / "day=20131007" / "09.seal.json"
    assert source.last_seal("20131007") == digest(seal.read_bytes())
    assert (source.last_seal("20991231"), source.figures("20991231")) == ("", {})
    (data / "empty").write_bytes(b"")
    assert source.entry_of("empty", data / "empty").blake3 == digest(b"")


def test_the_head_of_the_audit_log(data: Path) -> None:
    """OB-754: none without a log; a log whose chain is broken does not keep a day from being backed up."""
    source = Source(data)
    assert source.log_head() is None
    AuditFiles(data, SystemClock()).append(Entry(AuditKind.BACKUP_MADE, "a", "b", {}))
    head = source.log_head()
    assert head is not None
    assert head.seq == 1
    (path,) = (data / "audit").glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"b"', b'"c"'))
    assert source.log_head() is None
