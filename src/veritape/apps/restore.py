"""``veritape restore``: a day from a backup into an empty folder."""

from pathlib import Path
from typing import Any

import click

from veritape.apps.keeping import ACTOR, Place, place_of, place_options, source_options
from veritape.apps.progress import Progress
from veritape.apps.recorded_days import require_date
from veritape.kernel.canonical import Json, canonical_json
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import MisuseError
from veritape.observer.adapters.backup.restoring import chosen, matching, require_empty
from veritape.observer.adapters.backup.restoring import restore as write_files
from veritape.observer.adapters.backup.targets import FolderTarget, StoreTarget, open_target
from veritape.telemetry.adapters.audit_files import AuditFiles
from veritape.telemetry.audit_log import AuditKind, Entry


@click.command(context_settings={"show_default": True})
@place_options
@source_options
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    help="Folder that is empty or does not exist; restored-DAY when left out.",
)
@click.option("--only", metavar="GLOB", help="Only files whose path matches, as 'trades/*'.")
def restore(
    config: Path | None, data: Path | None, source: str | None, day: str | None, into: Path | None, only: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Bring back a day's files from a backup.

    The manifests are checked back to the first one, every file while it is written. The folder can be audited at once:
    veritape audit --data FOLDER. Exit 1: a manifest, an object or a hash is not what was written.
    """
    require_date(day)
    place = place_of(config, data)
    target = backup_to_read(place, source)
    written, chain = chosen(target, day)
    folder = into or Path(f"restored-{written.manifest.day}")
    require_empty(folder)
    entries = matching(written, only)
    if not entries:
        raise MisuseError(f"--only {only}: no file of {written.name} matches")
    progress = Progress("restore", SystemClock())
    write_files(target, entries, folder, progress)
    progress.end()
    if place is not None:
        detail: dict[str, Json] = {"target": target.url, "into": str(folder), "files": len(entries)}
        entry = Entry(AuditKind.RESTORE_MADE, ACTOR, f"manifest:{written.name}", detail)
        AuditFiles(place.source.data, SystemClock()).append(entry)
    document: dict[str, Any] = {
        "format": "veritape.restore.v1",
        "target": target.url,
        "day": written.manifest.day,
        "manifest": written.name,
        "manifests_checked": len(chain.written),
        "into": str(folder),
        "files": len(entries),
        "bytes": sum(entry.bytes for entry in entries),
    }
    click.echo(
        canonical_json(document).decode()
        if as_json
        else f"restored {document['files']} files, {document['bytes']:,} bytes of {written.name} into {folder};"
        f" {document['manifests_checked']} manifests checked"
    )


def backup_to_read(place: Place | None, source: str | None) -> FolderTarget | StoreTarget:
    """Return the backup that ``--from`` names, else the first of the settings.

    Raises:
        MisuseError: neither names one.
    """
    if source is not None:
        return open_target(source)
    if place is None:
        raise MisuseError("which backup? give --from URL, or --config FILE with backup.targets")
    return place.targets(None, "--from")[0]
