"""The audit log on disk."""

import multiprocessing
import os
from pathlib import Path

import pytest

from veritape.kernel.clock import ManualClock, SystemClock
from veritape.kernel.errors import CheckFailedError, UnavailableError
from veritape.telemetry.adapters.audit_files import AuditFiles, log_files, verify_files
from veritape.telemetry.audit_log import START, AuditKind, Entry

REVOKED = Entry(AuditKind.KEY_REVOKED, "cli:root", "key:k_7Q2M", {})
NEW_YEAR_2027_NS = 1_798_761_600 * 10**9


def test_records_go_on_over_files_and_years(tmp_path: Path) -> None:
    """TL-660: a file a year; the chain and the numbers go on."""
    clock = ManualClock(wall_ns=NEW_YEAR_2027_NS - 1, monotonic_ns=0)
    log = AuditFiles(tmp_path, clock)
    log.append(REVOKED)
    clock.advance_ns(1)
    head = log.append(REVOKED, REVOKED)
    assert [path.name for path in log_files(tmp_path / "audit")] == ["2026.jsonl", "2027.jsonl"]
    assert (head.seq, verify_files(tmp_path)) == (3, head)


def test_a_clock_that_steps_back_over_new_year_keeps_the_order(tmp_path: Path) -> None:
    """TL-660: the newest file is the end of the chain whatever the clock says."""
    AuditFiles(tmp_path, ManualClock(wall_ns=NEW_YEAR_2027_NS, monotonic_ns=0)).append(REVOKED)
    AuditFiles(tmp_path, ManualClock(wall_ns=NEW_YEAR_2027_NS - 1, monotonic_ns=0)).append(REVOKED)
    assert verify_files(tmp_path).seq == 2


def test_no_log_is_an_empty_chain(tmp_path: Path) -> None:
    """TL-668: nothing was done, nothing is wrong."""
    assert verify_files(tmp_path) == START


def test_a_torn_line_is_cut_and_noted(tmp_path: Path) -> None:
    """TL-668: whatever a crash left of a line, the next record says how much was cut, and the chain holds."""
    log = AuditFiles(tmp_path, SystemClock())
    log.append(REVOKED)
    path = log_files(tmp_path / "audit")[0]
    whole = path.read_bytes()
    for size in range(1, len(whole)):
        path.write_bytes(whole + whole[:size])
        assert log.append(REVOKED).seq == 3
        assert f'"torn_bytes_cut":{size}'.encode() in path.read_bytes().splitlines()[1]
        assert verify_files(tmp_path).seq == 3
        path.write_bytes(whole)


def test_a_first_line_that_is_torn_begins_the_chain_anew(tmp_path: Path) -> None:
    """TL-668: a crash in the very first record."""
    (tmp_path / "audit").mkdir()
    path = tmp_path / "audit" / "2026.jsonl"
    path.write_bytes(b'{"actor":')
    assert AuditFiles(tmp_path, SystemClock()).append(REVOKED).seq == 2
    assert verify_files(tmp_path).seq == 2


def test_a_damaged_line_is_named_with_its_file(tmp_path: Path) -> None:
    """TL-668: the first bad line."""
    log = AuditFiles(tmp_path, SystemClock())
    log.append(REVOKED, REVOKED, REVOKED)
    path = log_files(tmp_path / "audit")[0]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"root", b"rood") + lines[2])
    with pytest.raises(CheckFailedError, match=rf"audit/{path.name}: line 2: "):
        verify_files(tmp_path)


def test_what_cannot_be_recorded_is_refused(tmp_path: Path) -> None:
    """TL-660: no folder to write into, and a last record that is none."""
    (tmp_path / "audit").write_text("a file")
    with pytest.raises(UnavailableError, match="cannot be written"):
        AuditFiles(tmp_path, SystemClock()).append(REVOKED)
    other = tmp_path / "other"
    (other / "audit").mkdir(parents=True)
    (other / "audit" / "2026.jsonl").write_text("no record\n")
    with pytest.raises(UnavailableError, match="no complete record"):
        AuditFiles(other, SystemClock()).append(REVOKED)


def test_a_full_disk_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TL-660: a part of a record is no record."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:10]))
    with pytest.raises(UnavailableError, match="took only a part"):
        AuditFiles(tmp_path, SystemClock()).append(REVOKED)
    monkeypatch.undo()
    assert AuditFiles(tmp_path, SystemClock()).append(REVOKED).seq == 2


def _append_ten(folder: Path) -> None:
    for _ in range(10):
        AuditFiles(folder, SystemClock()).append(REVOKED)


def test_processes_share_one_chain(tmp_path: Path) -> None:
    """TL-660: four processes append at once, no record is lost and the chain holds."""
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append_ten, args=(tmp_path,)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert verify_files(tmp_path).seq == 40
