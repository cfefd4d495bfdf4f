"""Delete what is proven to be elsewhere, each file after its event is durable in the audit log (OB-731 to 733)."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from veritape.kernel.errors import VeritapeError
from veritape.observer import retention
from veritape.observer.adapters.backup.records import Records
from veritape.observer.adapters.backup.source import Source
from veritape.observer.manifests import FileEntry
from veritape.observer.retention import Candidate, DayFacts, Disk, FileKind, Plan, Rules
from veritape.telemetry.adapters.audit_files import AuditFiles
from veritape.telemetry.audit_log import AuditKind, Entry

PATTERNS = {
    FileKind.JOURNAL: "journal/{venue}/????????/*.vtj",
    FileKind.EXPORT: "export/*_????????_????.jsonl*",
}
"""Kind -> its files; audit reports are no windows and stay."""


@dataclass(frozen=True)
class Deleting:
    """The retention of one data folder."""

    source: Source
    """Whose files."""
    records: Records
    """What was read back where."""
    rules: Rules
    """How long files stay."""
    log: AuditFiles
    """Takes the event of each deletion."""
    actor: str
    """Who deletes: ``cli:<user>`` or the part's name."""

    def plan(self, today: str) -> Plan:
        """Decide what may go on a day (YYYYMMDD, Seoul)."""
        candidates = list(self._candidates())
        usage = shutil.disk_usage(self.source.data)
        disk = Disk(usage.used, usage.total)
        asked = {one.day for one in candidates if retention.may_go(one, self.rules, today, disk)}
        return retention.plan(candidates, {day: self._facts(day) for day in asked}, self.rules, today, disk)

    def run(self, plan: Plan) -> list[dict[str, Any]]:
        """Delete what the plan says; a file that is not what its manifest says stays.

        Returns:
            The event of each deletion.
        """
        done = []
        for one in plan.delete:
            path = self.source.data / one.path
            if self.source.entry_of(one.path, path).blake3 != one.blake3:
                continue  # it changed after it was backed up: the next backup sends it
            event = event_of(one)
            detail = {name: value for name, value in event.items() if name != "path"}
            self.log.append(Entry(AuditKind.RETENTION_DELETED, self.actor, one.path, detail))
            path.unlink()
            done.append(event)
        return done

    def _candidates(self) -> Iterator[Candidate]:
        held = self._held()
        for kind, pattern in PATTERNS.items():
            for path in sorted(self.source.data.glob(pattern.format(venue=self.source.venue))):
                name, size = path.relative_to(self.source.data).as_posix(), path.stat().st_size
                manifest, entry = held.get(name, (None, None))
                known = entry is not None and entry.bytes == size
                day = path.parent.name if kind is FileKind.JOURNAL else path.name.split("_")[1]
                yield Candidate(
                    name,
                    kind,
                    day,
                    size,
                    manifest if known else None,
                    entry.blake3 if entry and known else "",
                )

    def _held(self) -> dict[str, tuple[str, FileEntry]]:
        """Return the files whose objects were read back: path -> (manifest, entry), of the newest manifest."""
        held: dict[str, tuple[str, FileEntry]] = {}
        for receipt, manifest in self.records.proven():
            verified = set(receipt.verified)
            held |= {
                entry.path: (receipt.manifest.name, entry)
                for entry in manifest.files
                if entry.blake3 in verified
            }
        return held

    def _facts(self, day: str) -> DayFacts:
        try:
            return self.source.proof(day).facts(backup_failed=self.records.state().failing)
        except VeritapeError:
            return DayFacts(sealed=False, anomalous=True)


def event_of(one: Candidate) -> dict[str, Any]:
    """Return what is told of a deletion: path, bytes, hash, the manifest that holds it."""
    return {"path": one.path, "bytes": one.size, "blake3": one.blake3, "manifest": one.manifest}
