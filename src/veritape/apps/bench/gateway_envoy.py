"""Suite ``gateway``: decisions for a real Envoy, by its rate-limit service and by ext_authz (GW-611, GW-612).

Envoy, one of our processes that decides in memory, the upstream and the generator share the machine. A request counts when it was decided and came
through; a decision that fails fails its request.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

import click
import uvloop

from veritape.apps.bench.gateway_parties import Parties
from veritape.apps.bench.gateway_peers import asking_config, envoy_program, envoy_server, free_port
from veritape.apps.bench.gateway_proxies import CONNECTIONS, prepared
from veritape.apps.bench.gateway_server import rate_limit_server
from veritape.apps.bench.gateway_wrk import Driven, Wanted, drive
from veritape.apps.bench.results import Row, Size
from veritape.kernel.errors import UnavailableError

FLOOD_S: Final = 2.0
"""Seconds of a run."""

WARM_S: Final = 1.0
"""Seconds before the first run, not counted."""


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
        public = free_port()
        config = asking_config(public, bench.upstream.target.port, ours.target.port)
        server = await stack.enter_async_context(envoy_server(bench.folder, config, public, bench.clock))
        processes = {"decisions": {ours.pid}, "envoy": {server.pid}, "upstream": {bench.upstream.pid}}

        async def measure(name: str, wanted: Wanted, target: float, goal: float) -> list[Row]:
            await drive(server.target, wanted, WARM_S, bench.clock, CONNECTIONS)
            parties, runs = Parties(processes), list[Driven]()
            for _ in range(size.runs):
                parties.begin()
                run = await drive(server.target, wanted, FLOOD_S, bench.clock, CONNECTIONS)
                parties.end(run.statuses.total(), run.worked)
                runs.append(run)
                if set(run.statuses) != {200}:
                    click.echo(f"{name} met {dict(run.statuses)}; only 200 counts", err=True)
            click.echo(parties.line(name), err=True)
            row = Row(name, [run.per_second for run in runs], target=target, goal=goal)
            return [row, *parties.rows(name)]

        return [
            *await measure("rls_per_second", Wanted("/public/one"), 5_000.0, 8_000.0),
            *await measure("ext_authz_per_second", bench.wanted(bench.asking), 12_000.0, 18_000.0),
        ]
