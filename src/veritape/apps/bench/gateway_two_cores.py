"""Suite ``gateway``: two workers with Redis, generator and upstream on the same machine.

Two accounts take turns: one whose tier has leases, as the guide says for many requests of one account, and one that asks Redis for every request. What
each party works for a request stands beside the figures. An answer counts when the ledger has its charge.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from veritape.apps.bench.gateway_open import generator_ceiling, kept_rows, open_loop_rows
from veritape.apps.bench.gateway_parties import Parties, gateway_parties
from veritape.apps.bench.gateway_proxies import CONNECTIONS, FLOOD_S, WARM_S, Bench, prepared
from veritape.apps.bench.gateway_server import WORKERS, Server, gateway_server, redis_on_a_socket
from veritape.apps.bench.gateway_wrk import Driven, drive
from veritape.apps.bench.machine_load import MachineLoad, processor_seconds
from veritape.apps.bench.results import Row, Size
from veritape.kernel.clock import SystemClock

NAME: Final = "gateway_redis_two_cores"
"""The specification's row: the account with leases."""

ASKING: Final = f"{NAME}_asking"
"""The account without."""

TARGET, GOAL = 15_000.0, 25_000.0
"""Requests a second."""

ERRORS_PERCENT: Final = 0.1
"""Share of requests that may be without an answer of 200 and its charge."""


async def two_cores(size: Size) -> list[Row]:
    """Return the rows of two workers with Redis."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="veritape-bench-")))
        redis = await stack.enter_async_context(redis_on_a_socket(folder, SystemClock()))
        bench = await prepared(stack, "redis", f'[store]\nurl = "unix://{redis.socket}"\n')
        start = gateway_server(bench.folder / "gateway.toml", bench.clock, "--workers", WORKERS)
        server = await stack.enter_async_context(start)
        processes = {**gateway_parties(server), "redis": {redis.pid}, "upstream": {bench.upstream.pid}}
        accounts = {NAME: bench.leased, ASKING: bench.asking}
        parties = {name: Parties(processes) for name in accounts}
        busy = MachineLoad()
        runs = await _turns(size, server, bench, accounts, parties)
        errors = await errors_percent(bench, {accounts[name]: runs[name] for name in accounts})
        rows = list(_rows(runs, errors, parties))
        octets, reached = bench.request(bench.leased), max(one.per_second for one in runs[NAME])
        rows += await open_loop_rows(
            server.target, bench.upstream.target, octets, reached, size.seconds, bench.clock
        )
        octets = bench.request(bench.crowd)
        ceiling = await generator_ceiling(bench.upstream.target, octets, bench.clock)
        rows += await kept_rows(
            server.target, octets, ceiling, bench.clock, lambda: processor_seconds(server.pid)
        )
        _say(parties, busy)
    return rows


async def _turns(
    size: Size, server: Server, bench: Bench, accounts: dict[str, str], parties: dict[str, Parties]
) -> dict[str, list[Driven]]:
    """Drive the accounts in turns; the first run of each is not measured, but its charges count too."""
    runs: dict[str, list[Driven]] = {name: [] for name in accounts}
    for name, account in accounts.items():
        runs[name].append(await drive(server.target, bench.wanted(account), WARM_S, bench.clock, CONNECTIONS))
    for _ in range(size.runs):
        for name, account in accounts.items():
            parties[name].begin()
            run = await drive(server.target, bench.wanted(account), FLOOD_S, bench.clock, CONNECTIONS)
            parties[name].end(run.statuses.total(), run.worked)
            runs[name].append(run)
    return runs


async def errors_percent(bench: Bench, runs: dict[str, list[Driven]]) -> float:
    """Return the share of requests that had no answer of 200, or whose charge is not in the ledger."""
    counted, asked, good = await bench.keys.counted(), 0, 0
    for account, of_account in runs.items():
        answered = sum(run.statuses[200] for run in of_account)
        asked += sum(run.statuses.total() for run in of_account)
        good += min(answered, counted.get(account, 0))
        if counted.get(account, 0) < answered:
            click.echo(f"the ledger has {counted.get(account, 0)} of {answered} answered calls", err=True)
        other = {
            status: count
            for run in of_account
            for status, count in run.statuses.items()
            if status != 200  # noqa: PLR2004 - OK
        }
        if other:
            click.echo(f"{account} met {other}; only 200 counts", err=True)
    return 100 - 100 * good / max(1, asked)


def _rows(runs: dict[str, list[Driven]], errors: float, parties: dict[str, Parties]) -> Iterator[Row]:
    leased, asking = ([run.per_second for run in runs[name][1:]] for name in (NAME, ASKING))
    yield Row(NAME, leased, target=TARGET, goal=GOAL)
    yield Row(f"{NAME}_errors", [errors], "%", "lower", ERRORS_PERCENT)
    yield from parties[NAME].rows(NAME)
    yield Row(ASKING, asking)
    yield from parties[ASKING].rows(ASKING)


def _say(parties: dict[str, Parties], busy: MachineLoad) -> None:
    for name, one in parties.items():
        click.echo(one.line(name), err=True)
    click.echo(
        f"while the gateway ran with Redis {busy.foreign_share():.0%} of this machine's {os.cpu_count()} cores worked for others",
        err=True,
    )
