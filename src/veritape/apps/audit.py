"""``veritape audit``: what is complete and what is missing, recomputed from the journal."""

import asyncio
import importlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from veritape.apps.broker_account import followed_clock, open_broker
from veritape.apps.keeping import require_whole_log
from veritape.apps.output_files import write_output
from veritape.apps.recorded_days import recorded_day, require_folder
from veritape.apps.settings_file import settings_bytes
from veritape.kernel.canonical import canonical_json
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import MisuseError
from veritape.kernel.settings import SettingsT, load_settings
from veritape.observer.adapters.backfiller import Backfiller, Brought
from veritape.observer.adapters.binance.recording import BinanceRecording
from veritape.observer.adapters.control_database import ControlDatabase
from veritape.observer.adapters.integrity import journal_damage, segment_damage
from veritape.observer.adapters.kept_audit import is_journal_gone, kept_audit
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.reparsing import reparse
from veritape.observer.adapters.token_files import AccountLock, account_id
from veritape.observer.audit import Status
from veritape.observer.audit_text import text
from veritape.observer.binance.statements import VENUE as BINANCE
from veritape.observer.binance.statements import text as binance_text
from veritape.observer.control import FILE_NAME, OBSERVATIONS
from veritape.observer.kept import NOT_AGAIN
from veritape.observer.recorder import kst
from veritape.observer.settings import KeepingSettings, RecordSettings
from veritape.telemetry.adapters.audit_files import verify_files
from veritape.telemetry.audit_log import Head

FAILING = {Status.UNPROVEN, Status.CONTRADICTED}
"""Statuses of a line with which the command exits 1."""

PREFIX = "VERITAPE_RECORD"
"""The recorder's environment variables begin with it; its settings file is read here too."""

THIS_DAY = ""
"""``--reparse`` without a date: the day that is audited."""


@dataclass(frozen=True)
class Wanted:
    """What to do with one day."""

    symbols: tuple[str, ...]
    """Codes to report; all when empty."""
    picture: Path | None
    """Where the picture goes."""
    reparse: bool
    """Read quarantined frames again first."""
    backfill: bool
    """Fetch what is missing first."""


@click.command(context_settings={"show_default": True})
@click.option("--data", type=click.Path(path_type=Path), help="The recorder's data directory.")
@click.option(
    "--config", type=click.Path(path_type=Path), help="The recorder's settings file, in place of --data."
)
@click.option("--day", help="Business date, YYYYMMDD; the newest recorded one when left out.")
@click.option("--symbol", "symbols", multiple=True, help="Only this code; repeatable.")
@click.option("--venue", default="KRX", help="Venue whose lines are audited: KRX or BINANCE.")
@click.option("--strict", is_flag=True, help="A residual fails the audit too.")
@click.option(
    "--picture", type=click.Path(path_type=Path), metavar="F.svg", help="Draw the day into this file."
)
@click.option(
    "--reparse",
    is_flag=False,
    flag_value=THIS_DAY,
    metavar="[DAY]",
    help="Read quarantined frames again first: after an update they may fill holes.",
)
@click.option("--backfill", is_flag=True, help="Fetch what is missing first; needs --config.")
@click.option(
    "--observations", "of_account", is_flag=True, help="Only print the numbers seen on the account."
)
@click.option("--log", "of_log", is_flag=True, help="Only check the audit log's chain of hashes.")
@click.option(
    "--gateway", type=click.Path(path_type=Path), metavar="F.toml",
    help="With --log: the gateway's settings file, whose log may be in PostgreSQL.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document (veritape.audit.v1).")
def audit(
    data: Path | None, config: Path | None, day: str | None, symbols: tuple[str, ...], venue: str, strict: bool,
    picture: Path | None, reparse: str | None, backfill: bool, of_account: bool, of_log: bool, gateway: Path | None,
    as_json: bool,
) -> int:  # fmt: skip
    """Say per symbol and day what is complete and what is missing.

    Everything is recomputed from the journal: recorded + backfilled + residual must equal the end anchor in trades, shares
    and won, and a second ledger in SQL must agree with the first. Exit 1: a line does not close, is unproven or
    contradicted, or a file is not the one that was sealed.
    """
    if of_log and gateway is not None:
        return _check_gateway_log(gateway, as_json=as_json)
    folder = _folder(data, config)
    if of_log:
        return _check_log(folder, as_json=as_json)
    if of_account:
        return _print_observations(folder, day, as_json=as_json)
    wanted = Wanted(symbols, picture, reparse is not None, backfill)
    if venue == BINANCE:
        return _audit_binance(BinanceRecording(folder), day, wanted, strict=strict, as_json=as_json)
    recording = Recording(folder, venue)
    chosen = _chosen(recording, day or reparse or None)
    if is_journal_gone(recording, chosen):
        document = _audited_again(recording, chosen, wanted)
    else:
        recording.load([chosen])
        document = _audited(recording, chosen, wanted, config)
    _require_lines(document, symbols)
    shown = text(document, recording.segments.last_seal_hash())
    return _report(recording, chosen, document, shown, strict=strict, as_json=as_json)


def _audit_binance(
    recording: BinanceRecording, day: str | None, wanted: Wanted, *, strict: bool, as_json: bool
) -> int:
    """Audit a UTC day of the venue without an account: its trades are fetched while it is recorded."""
    if wanted.picture or wanted.reparse or wanted.backfill:
        raise MisuseError("audit: --picture, --reparse and --backfill are for KRX: leave them out")
    chosen = _chosen(recording, day)
    recording.load([chosen])
    document = recording.audit(chosen, SystemClock().wall_ns(), wanted.symbols or None)
    _require_lines(document, wanted.symbols)
    shown = binance_text(document, recording.segments.last_seal_hash())
    return _report(recording, chosen, document, shown, strict=strict, as_json=as_json)


def _require_lines(document: Mapping[str, Any], symbols: Sequence[str]) -> None:
    """Refuse codes that the day has no line of: nothing can be said of them.

    Raises:
        MisuseError: naming them.
    """
    unknown = sorted(set(symbols) - {line["code"] for line in document["lines"]})
    if unknown:
        raise MisuseError(
            f"audit: --symbol {' '.join(unknown)}: no such line on {document['day']}: without --symbol all are listed"
        )


def _report(
    recording: Recording | BinanceRecording,
    chosen: str,
    document: dict[str, Any],
    shown: str,
    *,
    strict: bool,
    as_json: bool,
) -> int:
    """Print a statement and what is wrong with the files that it rests on; return the exit status."""
    click.echo(canonical_json(document).decode() if as_json else shown)
    damage = [
        *journal_damage(recording.journal_folder / chosen),
        *segment_damage(recording.segments, chosen),
    ]
    for line in damage:
        click.echo(f"veritape: audit: {line}", err=True)
    return int(bool(damage) or not passes(document, strict=strict))


def _folder(data: Path | None, config: Path | None) -> Path:
    if data is not None:
        return data
    if config is None:
        raise MisuseError("audit: give --data, the recorder's data directory, or --config, its settings file")
    return _settings(KeepingSettings, config).observer.data_dir


def _chosen(recording: Recording | BinanceRecording, day: str | None) -> str:
    days = {*recording.days(), *recording.segments.days()}
    return recorded_day(day, days, recording.data, recording.venue)


def _audited(recording: Recording, day: str, wanted: Wanted, config: Path | None) -> dict[str, Any]:
    """Do what comes before the statement, make it, draw it."""
    now_ns = SystemClock().wall_ns()
    if wanted.reparse:
        click.echo(f"reparsed {reparse(recording, day, now_ns):,} trades of {day}", err=True)
    if wanted.backfill:
        brought = _backfilled(recording, day, config)
        click.echo(
            f"fetched {brought.trades:,} trades, {brought.shares:,} shares, {brought.bars:,} minute bars",
            err=True,
        )
    document = recording.audit(day, now_ns, wanted.symbols or None)
    if wanted.picture is not None:
        write_output(wanted.picture, recording.picture(document), "audit: --picture")
    return document


def _audited_again(recording: Recording, day: str, wanted: Wanted) -> dict[str, Any]:
    """Prove a day again from what the retention leaves, and say what cannot be."""
    if wanted.picture or wanted.reparse or wanted.backfill:
        raise MisuseError(
            f"audit: the journal of {day} was removed: --picture, --reparse and --backfill need it;"
            f" {recording.data / 'export' / f'audit_{day}.svg'} is the day's picture"
        )
    document = kept_audit(recording, day, wanted.symbols or None)
    click.echo(
        f"veritape: audit: the journal of {day} was removed: recorded and fetched trades, holes and ends are proven again"
        f" from {len(recording.segments.seals(day))} sealed segments; {NOT_AGAIN}",
        err=True,
    )
    return document


def _backfilled(recording: Recording, day: str, config: Path | None) -> Brought:
    if config is None:
        raise MisuseError("audit: --backfill asks the broker: give --config, the recorder's settings file")
    return asyncio.run(_fetch(recording, day, _settings(RecordSettings, config)))


async def _fetch(recording: Recording, day: str, settings: RecordSettings) -> Brought:
    """Fetch a day's missing trades, or its bars when it is not today; today's recorder must not run."""
    clock, follower = await followed_clock(settings)
    rest, permits = open_broker(settings, clock, owner=False)
    lock = AccountLock(settings.observer.data_dir, account_id(settings.kis.appkey.get_secret_value()))
    is_today = kst(clock.wall_ns())[0] == day
    try:
        if is_today:
            lock.acquire()
        return await Backfiller(rest, clock, recording, settings.backfill.share).finish(day)
    finally:
        if is_today:
            lock.release()
        await rest.close()
        permits.close()
        if follower is not None:
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)


def _settings(kind: type[SettingsT], config: Path) -> SettingsT:
    return load_settings(kind, settings_bytes(config), os.environ, PREFIX, str(config))  # noqa: TID251 - apps read the environment


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


def _check_log(data: Path, *, as_json: bool) -> int:
    """Follow the audit log of any part's data folder; the error of a bad line names it (TL-668)."""
    head = verify_files(require_folder(data, "--data", "the data folder of the part that keeps the log"))
    require_whole_log(data, head)
    return _print_head(str(data), head, as_json=as_json)


def _check_gateway_log(config: Path, *, as_json: bool) -> int:
    """Follow the audit log of a gateway, in its files or its database; its libraries are needed only here."""
    trail, serve = (importlib.import_module(f"veritape.apps.{name}") for name in ("audit_trail", "serve"))
    settings = serve.gateway_settings(config)
    with trail.opened_audit(settings, SystemClock()) as log:
        return _print_head(trail.audit_place(settings), log.verify(), as_json=as_json)


def _print_head(place: str, head: Head, *, as_json: bool) -> int:
    if as_json:
        click.echo(canonical_json({"head": head.digest.hex(), "records": head.seq}).decode())
    else:
        click.echo(f"audit log of {place}: {head.seq} records, the chain holds, head {head.digest.hex()}")
    return 0


def passes(document: dict[str, Any], *, strict: bool) -> bool:
    """Tell whether an audit passes: every line closes, none is unproven or contradicted."""
    statuses = {Status(line["status"]) for line in document["lines"]}
    return bool(document["closed"]) and not statuses & (FAILING | ({Status.RESIDUAL} if strict else set()))
