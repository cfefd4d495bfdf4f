"""``veritape demo``: run the chain on real ticks, then compare what happened with what it says."""

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import click

from veritape.apps.awaited_receipts import until_made
from veritape.apps.chain import LOOPBACK, ChainOptions, Folders, executor_folders
from veritape.apps.demo_report import Computed, Facts, Receipts, compose, read_truth, text
from veritape.apps.metrics_page import families_of
from veritape.apps.played_tape import DEFAULT_DAY, PlayedTape, plays
from veritape.apps.running_chain import (
    create_keys,
    kept_ports,
    new_folder,
    output_of,
    running,
    until_listening,
    until_signal,
)
from veritape.apps.supervisor import Supervisor
from veritape.apps.traffic import page_text, visit
from veritape.executor.tapes import parse_receipt_name
from veritape.kernel.clock import NANOSECONDS, SystemClock
from veritape.kernel.errors import CheckFailedError, VeritapeError
from veritape.observer.adapters.segment_files import SegmentStore
from veritape.telemetry.log_record import readable

DEFAULT_SECONDS = 60
"""Wall seconds that are played when nothing is said; ``--speed max`` plays the whole day."""

COLUMNS = 78
"""Of a terminal's line that is written over."""

PROGRESS_SECONDS = 5
"""Pause between two lines of progress where there is no terminal."""


ResultT = TypeVar("ResultT")


class Said(NamedTuple):
    """What the parts said of the day while they ran."""

    gateway: dict[str, int]
    """Counts of requests."""
    families: int
    """Metric families on the live page."""
    audit: dict[str, Any]
    """Document ``veritape.audit.v1``."""
    receipts: Receipts
    """What a fresh process found of them."""


@click.command(context_settings={"show_default": True})
@click.option(
    "--seconds",
    type=click.IntRange(1, 3600),
    help="Wall seconds to play; 60, or the whole day at --speed max.",
)
@plays
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    help="Keep the data in this new folder instead of a temporary one.",
)
@click.option("--backfill/--no-backfill", default=True, help="Fetch what was missed, or state it only.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def demo(seconds: int | None, played: PlayedTape, keep: Path | None, backfill: bool, as_json: bool) -> int:
    """Run the whole chain on recorded trades, offline, then print what it can prove.

    Nothing of the recording is taken on trust: the broker's truth file, which the recorder never reads, is compared with
    the audit. Exit 0: every line closes, faults or not.
    """
    folder = Path(tempfile.mkdtemp(prefix="veritape-demo-")) if keep is None else new_folder(keep, "--keep")
    tape_seconds = _tape_seconds(seconds, played.speed)
    try:
        with kept_ports() as ports:
            options = ChainOptions(folder, ports, played, tape_seconds, one_day=True, backfill=backfill)
            report = asyncio.run(_run(options))
    except VeritapeError:
        raise  # the message names a log in the folder, which therefore stays
    except BaseException:
        _forget(folder, keep)
        raise
    _forget(folder, keep)
    click.echo(json.dumps(report) if as_json else text(report))
    return 0 if report["ok"] else 1


def _forget(folder: Path, keep: Path | None) -> None:
    if keep is None:
        shutil.rmtree(folder, ignore_errors=True)


def _tape_seconds(seconds: int | None, speed: str) -> int | None:
    if speed == "max":
        return seconds
    return max(1, round((seconds or DEFAULT_SECONDS) * float(speed)))


async def _run(options: ChainOptions) -> dict[str, Any]:
    clock = SystemClock()
    began_ns = clock.monotonic_ns()
    async with until_signal() as stop, running(options) as supervisor:
        stopped = asyncio.create_task(stop.wait())
        try:
            said = await unless(_said_of(options, supervisor), stopped, supervisor.failed)
        finally:
            stopped.cancel()
    facts = _facts(options, said)  # the broker has ended: only then its truth file is whole
    return compose(replace(facts, seconds=(clock.monotonic_ns() - began_ns) / NANOSECONDS))


async def unless(
    work: Coroutine[Any, Any, ResultT],
    stopped: "asyncio.Future[Literal[True]]",
    failed: "asyncio.Future[CheckFailedError]",
) -> ResultT:
    """Return what comes of the work, unless Ctrl-C or the fall of a part comes first.

    Raises:
        CheckFailedError: a part fell.
        KeyboardInterrupt: whoever waits wants it no more.
    """
    task = asyncio.create_task(work)
    waits: set[asyncio.Future[Any]] = {task, stopped, failed}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if failed.done():
            raise failed.result()
        if stopped.done():
            raise KeyboardInterrupt
        return await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _said_of(options: ChainOptions, supervisor: Supervisor) -> Said:
    """Let the day be played; return what each part says of it.

    What needs nothing of the day is done while the tape plays; audit, receipts and requests follow its end side by side.
    """
    shown, keys = asyncio.create_task(_show(supervisor)), asyncio.create_task(_customers(options))
    beside: list[asyncio.Task[Any]] = [shown, keys]
    try:
        await supervisor.wait("observer")
        shown.cancel()
        audit = asyncio.create_task(_audit(options))
        beside.append(audit)
        folders = Folders(options.folder)
        missing = await until_made(folders.observer, folders.receipts, supervisor.log_of("executor"))
        receipts = asyncio.create_task(_receipts(options, missing))
        beside.append(receipts)
        base = f"http://{LOOPBACK}:{options.ports.gateway}"
        gateway = await visit(base, await keys, options.played.codes, DEFAULT_DAY)
        families = families_of(await page_text(f"http://{LOOPBACK}:{options.ports.metrics}/metrics"))
        return Said(gateway, families, await audit, await receipts)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def _customers(options: ChainOptions) -> dict[str, str]:
    """Create the keys of both customers once the gateway runs; return tier -> key."""
    await until_listening(options.ports.gateway)
    return await create_keys(options)


async def _show(supervisor: Supervisor) -> None:
    """Tell on stderr how far the recorder is: one line that changes on a terminal, plain lines elsewhere."""
    terminal = sys.stderr.isatty()
    while True:
        await asyncio.sleep(1 if terminal else PROGRESS_SECONDS)
        line = f"demo: {readable(supervisor.last_line('observer'))}"
        click.echo(f"\r{line:<{COLUMNS}.{COLUMNS}}" if terminal else line, err=True, nl=not terminal)


def _facts(options: ChainOptions, said: Said) -> Facts:
    folders = Folders(options.folder)
    with (folders.root / f"truth-{DEFAULT_DAY}.jsonl").open("rb") as lines:
        truth = read_truth(lines)
    seals = SegmentStore(folders.observer).seals(DEFAULT_DAY)
    return Facts(
        receipts=said.receipts,
        truth=truth,
        audit=said.audit,
        segments_sealed=len(seals),
        segment_bytes=sum(seal.path.stat().st_size for seal in seals),
        seconds=0,
        gateway=said.gateway,
        families=said.families,
    )


async def _audit(options: ChainOptions) -> dict[str, Any]:
    """Have a fresh process audit the recording."""
    data = str(Folders(options.folder).observer)
    document: dict[str, Any] = json.loads(
        await output_of("audit", "--data", data, "--day", DEFAULT_DAY, "--json")
    )
    return document


async def _receipts(options: ChainOptions, missing: list[str]) -> Receipts:
    """Have a fresh process execute every receipt again and compare the claims."""
    document = json.loads(await output_of("recheck", *executor_folders(options), "--json"))
    computed = tuple(
        Computed(line["code"], line["price_scale"], line["volume_shares"], int(line["value"]))
        for line in document["computed"]
    )
    others = document["count"] - len(computed)
    codes = tuple(named[1].code for name in missing if (named := parse_receipt_name(name)))
    return Receipts(document["kind"], computed, document["verified"], others, codes)
