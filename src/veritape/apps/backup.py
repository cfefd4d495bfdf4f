"""``veritape backup``: the recording elsewhere, read back and hashed; then, if asked, what is proven to be there deleted here."""

from pathlib import Path
from typing import Any

import click

from veritape.apps.keeping import (
    ACTOR,
    VERSION,
    Place,
    index_backups,
    place_options,
    required_place,
)
from veritape.apps.progress import Progress
from veritape.apps.recorded_days import require_date, require_recording
from veritape.kernel.canonical import canonical_json
from veritape.kernel.clock import SystemClock
from veritape.observer.adapters.backup.deleting import Deleting, event_of
from veritape.observer.adapters.backup.events import backup_entries
from veritape.observer.adapters.backup.records import Records
from veritape.observer.adapters.backup.sending import How, Sending, Sent
from veritape.observer.adapters.backup.targets import same_device
from veritape.observer.recorder import kst
from veritape.observer.retention import Rules
from veritape.telemetry.adapters.audit_files import AuditFiles

SAME_DEVICE = "veritape: backup: every target is on the disk of the data itself: when it dies, both are gone; add another target"
"""Warning (OB-752)."""


@click.command(context_settings={"show_default": True})
@place_options
@click.option(
    "--day", help="Only this business date, YYYYMMDD, and thoroughly: damage at the target is repaired."
)
@click.option(
    "--to", metavar="URL", help="Target, in place of backup.targets: file:///folder, s3://bucket/prefix, ..."
)
@click.option("--dry-run", is_flag=True, help="Say what would be sent and deleted; write nothing.")
@click.option(
    "--prune",
    is_flag=True,
    help="Then delete here what is old enough, sealed and verified at a target, and clean there.",
)
def backup(
    config: Path | None,
    data: Path | None,
    day: str | None,
    to: str | None,
    dry_run: bool,
    prune: bool,
    as_json: bool,
) -> None:
    """Copy every day that is over to the targets.

    A day's files are objects named by their hash; each new one is read back and hashed, then the manifest that names them
    is written. Interrupted, it goes on where it stopped. Exit 1: what was sent reads back differently, or a target is away.
    """
    require_date(day)
    place = required_place(config, data)
    require_recording(place.source.days(), place.source.data, place.source.venue)
    clock = SystemClock()
    targets = place.targets(to, "--to")
    if same_device(targets, place.source.data):
        click.echo(SAME_DEVICE, err=True)
    records, progress = Records(place.source.data), Progress("backup", clock)
    log = AuditFiles(place.source.data, clock)
    with records.alone():
        sent: list[tuple[str, Sent]] = []
        cleaned: list[str] = []
        for target in targets:
            sending = Sending(place.source, target, records, _how(place, day), clock.wall_ns, progress)
            days = sending.preview(day) if dry_run else sending.run(day)
            sent += [(target.url, one) for one in days]
            if days and not dry_run:
                log.append(*backup_entries(ACTOR, target.url, days))
            cleaned += sending.clean() if prune and not dry_run else []
        progress.end()
        if not dry_run and day is None and to is None:
            records.change(backup_ns=clock.wall_ns(), backup_failures=0)
        deleted = _deleted(place, records, log, clock, dry_run=dry_run) if prune else []
        index_backups(place)
    document = _document(sent, deleted, cleaned, dry_run=dry_run)
    click.echo(canonical_json(document).decode() if as_json else _text(document))


def _how(place: Place, day: str | None) -> How:
    return How(VERSION, place.settings.backup.verify, thorough=day is not None)


def rules_of(place: Place) -> Rules:
    """Return the retention's rules."""
    return Rules(**place.settings.retention.model_dump())


def _deleted(
    place: Place, records: Records, log: AuditFiles, clock: SystemClock, *, dry_run: bool
) -> list[dict[str, Any]]:
    """Apply the retention, or list what it would delete: the same events either way (OB-733)."""
    deleting = Deleting(place.source, records, rules_of(place), log, ACTOR)
    plan = deleting.plan(kst(clock.wall_ns())[0])
    return [event_of(one) for one in plan.delete] if dry_run else deleting.run(plan)


def _document(
    sent: list[tuple[str, Sent]], deleted: list[dict[str, Any]], cleaned: list[str], *, dry_run: bool
) -> dict[str, Any]:
    return {
        "format": "veritape.backup.v1",
        "dry_run": dry_run,
        "days": [{"target": url, **one._asdict()} for url, one in sent],
        "deleted": deleted,
        "cleaned": cleaned,
    }


def _text(document: dict[str, Any]) -> str:
    would = "would be " if document["dry_run"] else ""
    lines = [
        f"{one['day']} {one['target']}: {one['files']} files, {one['bytes']:,} bytes; {one['new_objects']} objects,"
        f" {one['new_bytes']:,} bytes {would}sent; manifest {one['manifest'] or '-'} {one['manifest_blake3'][:16]}"
        for one in document["days"]
    ] or ["nothing changed since the last backup"]
    lines += [
        f"{would}deleted {one['path']}: {one['bytes']:,} bytes, {one['blake3'][:16]}, in manifest {one['manifest']}"
        for one in document["deleted"]
    ]
    return "\n".join([*lines, *(f"cleaned {name}" for name in document["cleaned"])])
