"""What commands that change keys share."""

import json
from pathlib import Path

import pytest

from veritape.apps.key_audit import audited, effective, moment
from veritape.gateway.settings import GatewaySettings
from veritape.kernel.errors import UnavailableError
from veritape.telemetry.adapters.audit_files import log_files
from veritape.telemetry.audit_log import AuditKind


def test_a_change_is_recorded_or_refused(tmp_path: Path) -> None:
    """TL-660, GW-703: empty facts are left out; without a log there is an error before the change."""
    settings = GatewaySettings(data_dir=tmp_path)
    audited(settings, AuditKind.KEY_REVOKED, "token:j1", {"issuer": "https://id", "reason": ""})
    record = json.loads(log_files(tmp_path / "audit")[0].read_text())
    assert (record["kind"], record["subject"], record["detail"]) == (
        "key_revoked", "token:j1", {"issuer": "https://id"},
    )  # fmt: skip
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "audit").write_text("no folder")
    with pytest.raises(UnavailableError, match="the audit log"):
        audited(GatewaySettings(data_dir=tmp_path / "other"), AuditKind.KEY_REVOKED, "key:a", {})


def test_when_a_change_acts_is_told_to_the_second() -> None:
    """GW-418, GW-703: two seconds later, rounded up."""
    assert moment(0) == "1970-01-01T00:00:00Z"
    assert effective(0) == "1970-01-01T00:00:02Z"
    assert effective(1) == "1970-01-01T00:00:03Z"
