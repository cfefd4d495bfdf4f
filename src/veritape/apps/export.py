"""``veritape export``: window files of a day again, from the journal."""

from pathlib import Path

import click

from veritape.apps.recorded_days import recorded_day
from veritape.kernel.canonical import canonical_json
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import MisuseError
from veritape.observer.adapters.control_index import journalled_inputs
from veritape.observer.adapters.decision_files import files_of
from veritape.observer.adapters.export_files import NOTHING, ExportFolder, place, rebuild
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.recording_day import day_start_ns
from veritape.observer.binance.statements import VENUE as BINANCE
from veritape.observer.exports import ExportKind

DECISIONS = "decisions"
"""Kind of the decision log and the overflow ledger."""


@click.command(context_settings={"show_default": True})
@click.option("--data", type=click.Path(path_type=Path), required=True, help="The recorder's data directory.")
@click.option("--day", help="Business date, YYYYMMDD; the newest recorded one when left out.")
@click.option("--venue", default="KRX", help="Venue whose recording is read.")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice([*(kind.value for kind in ExportKind), DECISIONS]),
    help="Only this kind of window; repeatable. All when left out.",
)  # fmt: skip
@click.option(
    "--into", type=click.Path(path_type=Path), help="Folder of the files; export/ of the data directory."
)
@click.option("--compress", is_flag=True, help="Write .jsonl.zst.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def export(
    data: Path,
    day: str | None,
    venue: str,
    kinds: tuple[str, ...],
    into: Path | None,
    compress: bool,
    as_json: bool,
) -> int:
    """Make the window files of a day from its journal: swing (sweeps), scalp (trades), system (events), decisions.

    Files that are there are compared and left alone. Exit 1: one of them has other bytes than the journal gives.
    """
    days = Recording(data, venue).days()
    chosen = recorded_day(day, days, data, venue)
    if venue == BINANCE and DECISIONS in kinds:
        raise MisuseError(
            "export: decisions are of KRX: BINANCE is recorded without slots; leave the kind out"
        )
    folder = ExportFolder(into or data / "export", compress)
    wanted = tuple(ExportKind(kind) for kind in kinds if kind != DECISIONS) if kinds else tuple(ExportKind)
    rebuilt = rebuild(data, venue, chosen, wanted, folder, SystemClock().wall_ns()) if wanted else NOTHING
    if venue != BINANCE and (not kinds or DECISIONS in kinds):
        inputs = journalled_inputs(data / "journal" / venue / chosen, chosen)
        rebuilt = rebuilt.joined(place(files_of(inputs, chosen, day_start_ns(chosen)), folder.folder))
    if as_json:
        document = {"format": "veritape.export.v1", "day": chosen, "into": str(folder.folder)}
        click.echo(canonical_json({**document, **rebuilt._asdict()}).decode())
    else:
        click.echo(
            f"{chosen}: {len(rebuilt.written)} files written to {folder.folder}, {rebuilt.same} were there,"
            f" {len(rebuilt.different)} differ"
        )
    for name in rebuilt.different:
        click.echo(f"veritape: export: {folder.folder / name} is not what the journal gives", err=True)
    return int(bool(rebuilt.different))
