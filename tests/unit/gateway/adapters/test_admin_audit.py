"""Pages of the audit log."""

from pathlib import Path

from veritape.gateway.adapters.admin_audit import audit_page
from veritape.kernel.clock import ManualClock
from veritape.telemetry.adapters.audit_files import AuditFiles, log_files
from veritape.telemetry.audit_log import AuditKind, Entry


def test_pages_and_lines_that_cannot_be_read(tmp_path: Path) -> None:
    """GW-704: what is damaged is left out of the page and found by the check."""
    log = AuditFiles(tmp_path, ManualClock())
    for number in range(4):
        log.append(Entry(AuditKind.CONFIG_LOADED, "test", str(number), {}))
    assert [item["subject"] for item in audit_page(log, 1, 2, verified=False)["items"]] == ["1", "2"]
    path = log_files(tmp_path / "audit")[0]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"planted\n" + b"7\n" + lines[3])
    found = audit_page(log, 0, 9, verified=True)
    assert [item["subject"] for item in found["items"]] == ["0", "3"]
    assert found["chain"]["whole"] is False
    assert audit_page(AuditFiles(tmp_path / "none", ManualClock()), 0, 9, verified=True)["chain"] == {
        "whole": True,
        "records": 0,
        "head": "0" * 64,
    }
