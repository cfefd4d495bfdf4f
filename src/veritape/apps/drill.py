"""``veritape drill``: restore into an empty folder, prove completeness again from what came back, delete it."""

from pathlib import Path

import click

from veritape.apps.keeping import ACTOR, place_of, place_options, source_options
from veritape.apps.progress import Progress
from veritape.apps.recorded_days import require_date
from veritape.apps.restore import backup_to_read
from veritape.kernel.canonical import canonical_json
from veritape.kernel.clock import SystemClock
from veritape.observer import drill as statements
from veritape.observer.adapters.backup.drilling import drill as prove
from veritape.observer.adapters.backup.events import drill_entry
from veritape.observer.adapters.backup.records import Records
from veritape.telemetry.adapters.audit_files import AuditFiles


@click.command(context_settings={"show_default": True})
@place_options
@source_options
@click.option(
    "--scratch",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where the temporary folder is made.",
)
def drill(
    config: Path | None,
    data: Path | None,
    source: str | None,
    day: str | None,
    scratch: Path | None,
    as_json: bool,
) -> int:
    """Show that a backup can be restored and still says what the recording said.

    A day is restored into an empty folder; hashes, the chain of seals and the audit of the restored files alone are compared
    with the manifest and, when --data or --config names it, with the live recording. Exit 1: any difference.
    """
    require_date(day)
    clock = SystemClock()
    began_ns = clock.monotonic_ns()
    place = place_of(config, data)
    target = backup_to_read(place, source)
    progress = Progress("drill", clock)
    proven = prove(target, day, place.source if place else None, scratch, progress)
    progress.end()
    if place is not None:
        now_ns = clock.wall_ns()
        AuditFiles(place.source.data, clock).append(drill_entry(ACTOR, proven))
        outcome = {"drill_ns": now_ns, "drill_failed_ns": 0} if proven.passed else {"drill_failed_ns": now_ns}
        Records(place.source.data).change(**outcome)
    document = proven.document((clock.monotonic_ns() - began_ns) // 1_000_000)
    click.echo(canonical_json(document).decode() if as_json else statements.text(document))
    return int(not proven.passed)
