"""``veritape audit``: what is complete and what is missing, recomputed from the journal."""

from pathlib import Path
from typing import Any

import click

from veritape.kernel.canonical import canonical_json
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import MisuseError
from veritape.observer.adapters.control_database import ControlDatabase
from veritape.observer.adapters.integrity import journal_damage, segment_damage
from veritape.observer.adapters.recording import Recording
from veritape.observer.audit import Status
from veritape.observer.audit_text import text
from veritape.observer.control import FILE_NAME, OBSERVATIONS
from veritape.telemetry.adapters.audit_files import verify_files

FAILING = {Status.UNPROVEN, Status.CONTRADICTED}
"""Statuses of a line with which the command exits 1."""


@click.command(context_settings={"show_default": True})
@click.option("--data", type=click.Path(path_type=Path), required=True, help="The recorder's data directory.")
@click.option("--day", help="Business date, YYYYMMDD; the newest recorded one when left out.")
@click.option("--symbol", "symbols", multiple=True, help="Only this code; repeatable.")
@click.option("--venue", default="KRX", help="Venue whose lines are audited.")
@click.option("--strict", is_flag=True, help="A residual fails the audit too.")
@click.option("--log", "of_log", is_flag=True, help="Only check the audit log's chain of hashes.")
@click.option(
    "--observations", "of_account", is_flag=True, help="Only print what was observed of the account, by day."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document (veritape.audit.v1).")
def audit(
    data: Path,
    day: str | None,
    symbols: tuple[str, ...],
    venue: str,
    strict: bool,
    of_log: bool,
    of_account: bool,
    as_json: bool,
) -> int:
    """Say per symbol and day what is complete and what is missing.

    Everything is recomputed from the journal: recorded + backfilled + residual must equal the end anchor in trades, shares
    and won. Exit 1: a line does not close, is unproven or contradicted, or a file is not the one that was sealed.
    """
    if of_log:
        return _check_log(data, as_json=as_json)
    if of_account:
        return _print_observations(data, day, as_json=as_json)
    recording = Recording(data, venue)
    days = recording.days()
    if not days:
        raise MisuseError(f"audit: no recording of {venue} in {data}: give the folder that holds journal/")
    chosen = day or days[-1]
    if chosen not in days:
        raise MisuseError(f"audit: no recording of day {chosen} in {data}: recorded are {', '.join(days)}")
    recording.load([chosen])
    document = recording.audit(chosen, SystemClock().wall_ns(), symbols or None)
    if as_json:
        click.echo(canonical_json(document).decode())
    else:
        click.echo(text(document, recording.segments.last_seal_hash()))
    damage = [
        *journal_damage(recording.journal_folder / chosen),
        *segment_damage(recording.segments, chosen),
    ]
    for line in damage:
        click.echo(f"veritape: audit: {line}", err=True)
    return int(bool(damage) or not passes(document, strict=strict))


def _check_log(data: Path, *, as_json: bool) -> int:
    """Follow the audit log of any part's data folder; the error of a bad line names it (TL-668)."""
    head = verify_files(data)
    if as_json:
        click.echo(canonical_json({"head": head.digest.hex(), "records": head.seq}).decode())
    else:
        click.echo(f"audit log of {data}: {head.seq} records, the chain holds, head {head.digest.hex()}")
    return 0


def _print_observations(data: Path, day: str | None, *, as_json: bool) -> int:
    """Print the numbers of the account that were measured and that no vendor documents, with their days (OB-007)."""
    path = data / FILE_NAME
    if not path.exists():
        raise MisuseError(f"audit: no {FILE_NAME} in {data}: veritape record builds it")
    database = ControlDatabase(path)
    rows = database.rows(OBSERVATIONS, **({"day": day} if day else {}))
    database.close()
    if as_json:
        click.echo(canonical_json(rows).decode())
    for row in rows if not as_json else ():
        click.echo(f"{row['day']}  {row['name']:<24} {row['value']}")
    return 0


def passes(document: dict[str, Any], *, strict: bool) -> bool:
    """Tell whether an audit passes: every line closes, none is unproven or contradicted."""
    statuses = {Status(line["status"]) for line in document["lines"]}
    return bool(document["closed"]) and not statuses & (FAILING | ({Status.RESIDUAL} if strict else set()))
