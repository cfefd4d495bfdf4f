"""``veritape up``: the chain until Ctrl-C."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from veritape.apps.chain import LOOPBACK, ChainOptions, chosen_ports
from veritape.apps.played_tape import DEFAULT_DAY, PlayedTape, plays
from veritape.apps.running_chain import create_keys, new_folder, require_free, running, until_signal
from veritape.kernel.clock import NANOSECONDS, SystemClock

RUNS = Path("veritape-data")
"""Folder of the runs, below the present one."""


@click.command(context_settings={"show_default": True})
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="New folder of this run, in place of veritape-data/<time>.",
)
@click.option(
    "--port",
    "ports",
    multiple=True,
    metavar="PART=NUMBER",
    help="Where a part listens, as gateway=8100; others are gateway-admin, rest, websocket, metrics.",
)
@click.option("--for", "seconds", type=click.FloatRange(min=0), help="End after this many seconds.")
@plays
def up(data: Path | None, ports: tuple[str, ...], seconds: float | None, played: PlayedTape) -> None:
    """Run the whole chain on recorded trades, offline, day after day, until Ctrl-C.

    Everything listens on loopback and writes into one new folder, which stays. `veritape audit --data FOLDER/observer` says at
    any time, and afterwards, what is complete.
    """
    clock = SystemClock()
    folder = data or RUNS / datetime.fromtimestamp(clock.wall_ns() // NANOSECONDS, UTC).strftime(
        "%Y%m%d-%H%M%S"
    )
    options = ChainOptions(new_folder(folder, "--data"), chosen_ports(ports), played)
    require_free(options.ports)
    asyncio.run(_run(options, seconds, folder))


async def _run(options: ChainOptions, seconds: float | None, folder: Path) -> None:
    async with until_signal() as stop, running(options) as supervisor:
        keys = await create_keys(options)
        base = f"http://{LOOPBACK}:{options.ports.gateway}"
        click.echo(f"console    {base}/console")
        click.echo(f"gateway    {base}/docs")
        click.echo(f"metrics    http://{LOOPBACK}:{options.ports.metrics}/metrics")
        click.echo(
            f"try        curl -H 'X-API-Key: {keys['pro']}' '{base}/v1/completeness?day={DEFAULT_DAY}'"
        )
        click.echo(f"data       {folder}")
        click.echo(f"audit      veritape audit --data {folder}/observer")
        click.echo("Ctrl-C ends it and loses nothing")
        stopped = asyncio.create_task(stop.wait())
        waits: set[asyncio.Future[Any]] = {stopped, supervisor.failed}
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if supervisor.failed.done() and not stop.is_set():
            raise supervisor.failed.result()
