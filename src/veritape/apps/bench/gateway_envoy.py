"""Suite ``gateway``: decisions for a real Envoy, by its rate-limit service and by ext_authz (GW-611, GW-612).

Envoy, one of our processes that decides in memory, the upstream and the generator share the machine. A request counts when it was decided and came
through; a decision that fails fails its request. Beside ours, in turns, stands the same Envoy whose authorizations a process answers that decides
nothing (``gateway_constant``): what Envoy leaves room for on this machine, now.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Final, NamedTuple

import click
import uvloop

from veritape.apps.bench import gateway_constant
from veritape.apps.bench.gateway_parties import Parties
from veritape.apps.bench.gateway_peers import asking_config, envoy_program, envoy_server, free_port, running
from veritape.apps.bench.gateway_proxies import Bench, prepared
from veritape.apps.bench.gateway_server import Server, rate_limit_server
from veritape.apps.bench.gateway_wrk import Driven, Wanted, drive
from veritape.apps.bench.results import Row, Size
from veritape.kernel.errors import UnavailableError

FLOOD_S: Final = 2.0
"""Seconds of a run."""

THREADS: Final = 2
"""Workers of Envoy: as many as it starts by itself on two cores. One alone is busy before the machine is."""

CONNECTIONS: Final = 128
"""Of the generator: each worker of Envoy has as many requests in progress as it is given elsewhere."""

WARM_S: Final = 1.0
"""Seconds before the first run, not counted."""

CONSTANT: Final = "the same answer, undecided"
"""Peer."""


def envoy_decisions(size: Size) -> Iterator[Row]:
    """Measure decisions for Envoy; a missing Envoy or gRPC library is one line."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            yield from runner.run(_rows(size))
        except UnavailableError as error:
            click.echo(f"rls_per_second and ext_authz_per_second are not measured: {error.message}", err=True)


async def _rows(size: Size) -> list[Row]:
    envoy_program()
    async with contextlib.AsyncExitStack() as stack:
        bench = await prepared(stack, "memory", "")
        ours = await stack.enter_async_context(rate_limit_server(bench.folder / "gateway.toml"))
        asking = await _asking(stack, bench, ours)
        constant = await stack.enter_async_context(_constant_server(bench))
        peer = await _asking(stack, bench, constant)
        limit, authorize = Wanted("/public/one"), bench.wanted(bench.asking)
        limits = Row("rls_per_second", [], target=5_000.0, goal=8_000.0)
        authorizations = Row("ext_authz_per_second", [], target=12_000.0, goal=18_000.0, peer=CONSTANT)
        return [
            *await _measured(limits, asking, bench, limit, size.runs),
            *await _measured(authorizations, asking, bench, authorize, size.runs, peer),
        ]


class _Asking(NamedTuple):
    """An Envoy, and whom it asks."""

    envoy: Server
    asked: Server


async def _asking(stack: contextlib.AsyncExitStack, bench: Bench, asked: Server) -> _Asking:
    """Start an Envoy that asks a server."""
    public = free_port()
    config = asking_config(public, bench.upstream.target.port, asked.target.port)
    server = envoy_server(bench.folder, config, public, bench.clock, THREADS)
    return _Asking(await stack.enter_async_context(server), asked)


@contextlib.asynccontextmanager
async def _constant_server(bench: Bench) -> AsyncIterator[Server]:
    """Run who answers always the same."""
    port = free_port()
    command = [sys.executable, "-m", gateway_constant.__name__, str(port)]
    async with running(command, port, bench.clock) as server:
        yield server


async def _measured(
    row: Row, asking: _Asking, bench: Bench, wanted: Wanted, runs: int, peer: _Asking | None = None
) -> list[Row]:
    """Fill a row, its peer's runs in turns with ours; return it and what each party works for a call."""
    parties = Parties(
        {"decisions": {asking.asked.pid}, "envoy": {asking.envoy.pid}, "upstream": {bench.upstream.pid}}
    )
    for one in (asking, peer):
        if one is not None:
            await drive(one.envoy.target, wanted, WARM_S, bench.clock, CONNECTIONS)
    for _ in range(runs):
        parties.begin()
        run = await drive(asking.envoy.target, wanted, FLOOD_S, bench.clock, CONNECTIONS)
        parties.end(run.statuses.total(), run.worked)
        row.values.append(run.per_second)
        _say_others(row.name, run)
        if peer is not None:
            run = await drive(peer.envoy.target, wanted, FLOOD_S, bench.clock, CONNECTIONS)
            row.peer_values.append(run.per_second)
            _say_others(f"{row.name}, {row.peer},", run)
    click.echo(parties.line(row.name), err=True)
    return [row, *parties.rows(row.name)]


def _say_others(name: str, run: Driven) -> None:
    """Say what came that does not count."""
    if set(run.statuses) != {200}:
        click.echo(f"{name} met {dict(run.statuses)}; only 200 counts", err=True)
