"""What is told of backups, restores and drills: audit log and index (OB-561, TL-660)."""

from collections.abc import Iterable
from typing import Any

from veritape.kernel.canonical import Json
from veritape.observer.adapters.backup.records import Records
from veritape.observer.adapters.backup.sending import Sent
from veritape.observer.drill import Proven
from veritape.telemetry.audit_log import AuditKind, Entry


def backup_entries(actor: str, url: str, sent: Iterable[Sent]) -> list[Entry]:
    """Return a record for each day that was sent."""
    return [
        Entry(
            AuditKind.BACKUP_MADE, actor, f"manifest:{one.manifest}",
            {"target": url, "blake3": one.manifest_blake3, "files": one.files, "new_objects": one.new_objects},
        )
        for one in sent
    ]  # fmt: skip


def drill_entry(actor: str, proven: Proven) -> Entry:
    """Return the record of a drill."""
    reasons = sorted({one.reason.value for one in proven.differences})
    detail: dict[str, Json] = {
        "target": proven.target,
        "day": proven.day,
        "passed": proven.passed,
        "reasons": ",".join(reasons),
    }
    return Entry(AuditKind.DRILL_RESULT, actor, f"manifest:{proven.manifest or '-'}", detail)


def backup_rows(records: Records) -> list[dict[str, Any]]:
    """Return the rows of every manifest that this machine wrote, for control.db."""
    return [
        {
            "target": receipt.target,
            "manifest": receipt.manifest.name,
            "day": manifest.day,
            "created_ns": manifest.created_ns,
            "files": len(manifest.files),
            "bytes": sum(entry.bytes for entry in manifest.files),
            "blake3": receipt.manifest.blake3,
            "verified": int(set(manifest.digests()) <= set(receipt.verified)),
        }
        for receipt, manifest in records.proven()
    ]
