"""Suite ``gateway``: the whole way of a request through the gateway, beside nginx and Envoy.

All lead to the same upstream, get the same requests from the same generator and are asked in turns. A core's worth is told by processor
time: answers of 200 for each second that a proxy's processes worked. So the figure neither depends on what else the machine does nor on
what the generator takes, and a peer that is faster than the generator is not held back by it.
"""

import asyncio
import contextlib
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, NamedTuple

import click
import uvloop

from veritape.apps.bench.gateway_client import request_bytes
from veritape.apps.bench.gateway_origin import origin
from veritape.apps.bench.gateway_peers import envoy, nginx
from veritape.apps.bench.gateway_server import Server, gateway_server
from veritape.apps.bench.gateway_stand import Keys
from veritape.apps.bench.gateway_wrk import Wanted, drive, say_generator
from veritape.apps.bench.machine_load import processor_seconds
from veritape.apps.bench.results import Row, Size
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import UnavailableError

ENVOY, NGINX = "Envoy, local rate limit", "nginx, limit_req"
"""Peers."""

FLOOD_S: Final = 2.0
"""Seconds of one run."""

WARM_S: Final = 1.0
"""Seconds before the first run, not counted."""

CONNECTIONS: Final = 64
"""Requests under way at a time."""

ENVOY_SHARE: Final = 0.75
"""Of Envoy's figure: the target; the goal is all of it."""

PATH: Final = "/one"
"""What is asked for."""

POLICY: Final = """
version = 1
engine = 1
store = { kind = "STORE" }
[tiers.asking]
minute = { limit = 1_000_000, burst = 1_000_000 }
hour = { limit = 30_000_000 }
month = { quota = 1_000_000_000, overage = "deny" }
concurrency = 400
[tiers.leased]
minute = { limit = 1_000_000, burst = 1_000_000 }
hour = { limit = 30_000_000 }
month = { quota = 1_000_000_000, overage = "deny" }
concurrency = 400
lease = { max = 2_000, ttl_ms = 500, fraction = 0.5 }
[tiers.crowd]
minute = { limit = 1_000_000, burst = 1_000_000 }
hour = { limit = 30_000_000 }
month = { quota = 1_000_000_000, overage = "deny" }
lease = { max = 2_000, ttl_ms = 500, fraction = 0.5 }
[ip]
class = [{ name = "anonymous", cidrs = ["0.0.0.0/0"], minute = { limit = 1_000_000, burst = 1_000_000 } }]
[upstreams]
one = { targets = [{ url = "http://127.0.0.1:PORT" }] }
[routes]
one = { path = "/one", methods = ["GET"], upstream = "one", cost = "1" }
public = { path = "/public/one", methods = ["GET"], upstream = "one", cost = "1", anonymous = true }
"""
"""Limits that refuse nobody here, with and without leases; a ``crowd`` has any number of requests in progress, so that what is refused is
refused for load. ``public`` is for callers without a key."""


class Bench(NamedTuple):
    """What a row needs."""

    folder: Path
    """Of the configuration, ``gateway.toml``."""
    upstream: Server
    clock: SystemClock
    keys: Keys
    """Of accounts whose limits refuse nothing here."""
    asking: str
    """The account whose tier has no leases."""
    leased: str
    """The account whose tier has."""
    crowd: str
    """The account whose tier bounds no number of requests in progress either."""

    @property
    def key(self) -> str:
        """Return the key without leases, which a store in memory has not."""
        return self.keys.keys[self.asking]

    def wanted(self, account: str) -> Wanted:
        """Return the request that everybody gets, of an account."""
        return Wanted(PATH, self.keys.keys[account])

    def request(self, account: str) -> bytes:
        """Return the same as it goes on the wire."""
        return request_bytes("GET", PATH, self.keys.keys[account])


def proxies(size: Size) -> Iterator[Row]:
    """Measure the gateway as a proxy, one worker in memory, beside its peers."""
    say_generator()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield from runner.run(_per_core(size))


async def _per_core(size: Size) -> list[Row]:
    """Return the rows of one worker in memory, and of a worker of each peer that is here."""
    async with contextlib.AsyncExitStack() as stack:
        bench = await prepared(stack, "memory", "")
        servers = {
            "veritape": await stack.enter_async_context(
                gateway_server(bench.folder / "gateway.toml", bench.clock)
            )
        }
        for name, start in ((ENVOY, envoy), (NGINX, nginx)):
            await _join(
                stack, servers, name, start(bench.folder, bench.upstream.target.port, bench.key, bench.clock)
            )
        found: dict[str, list[float]] = {name: [] for name in servers}
        for name, server in servers.items():
            await _worth(name, server, bench, WARM_S)
        for _ in range(size.runs):
            for name, server in servers.items():
                found[name].append(await _worth(name, server, bench, FLOOD_S))
    return per_core_rows(found)


def per_core_rows(found: dict[str, list[float]]) -> list[Row]:
    """Return a row for each peer that could be measured; Envoy's has the target.

    Args:
        found: ``veritape`` and its peers -> what a core was worth, run by run.
    """
    ours, of_envoy, of_nginx = found["veritape"], found.get(ENVOY, []), found.get(NGINX, [])
    rows = [Row("gateway_memory_per_core", ours)]
    if of_envoy:
        middle = statistics.median(of_envoy)
        rows = [
            Row(
                "gateway_memory_per_core",
                ours,
                "1/s",
                "higher",
                ENVOY_SHARE * middle,
                middle,
                ENVOY,
                of_envoy,
            )
        ]
    if of_nginx:
        rows.append(Row("gateway_memory_per_core_nginx", ours, peer=NGINX, peer_values=of_nginx))
    return rows


async def _join(
    stack: contextlib.AsyncExitStack,
    servers: dict[str, Server],
    name: str,
    peer: AbstractAsyncContextManager[Server],
) -> None:
    """Start a peer; one that is not here is said and left out."""
    try:
        servers[name] = await stack.enter_async_context(peer)
    except UnavailableError as error:
        click.echo(f"{name} is not measured: {error.message}", err=True)


async def _worth(name: str, server: Server, bench: Bench, seconds: float) -> float:
    """Return answers of 200 for each second of a server's processor time."""
    before_s = processor_seconds(server.pid)
    run = await drive(server.target, bench.wanted(bench.asking), seconds, bench.clock, CONNECTIONS)
    worked_s = processor_seconds(server.pid) - before_s
    if set(run.statuses) != {200}:
        click.echo(f"{name} answers {dict(run.statuses)}; only 200 counts", err=True)
    return run.statuses[200] / max(worked_s, 0.01)


async def prepared(stack: contextlib.AsyncExitStack, store: str, settings: str) -> Bench:
    """Start the upstream, write a configuration and make the keys."""
    folder, clock = (
        Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="veritape-bench-"))),
        SystemClock(),
    )
    upstream = await stack.enter_async_context(origin(folder, clock))
    port, data = str(upstream.target.port), folder / "data"
    (folder / "policy.toml").write_text(POLICY.replace("STORE", store).replace("PORT", port))
    (folder / "gateway.toml").write_text(
        f'policy = "{folder / "policy.toml"}"\ndata_dir = "{data}"\n{settings}'
        '[log]\naccess = false\n[telemetry]\nlisten = ""\n[listen]\nadmin = ""\n'
    )
    data.mkdir(mode=0o700)
    keys = Keys(data, clock)
    accounts = [await keys.account(tier) for tier in ("asking", "leased", "crowd")]
    return Bench(folder, upstream, clock, keys, *accounts)
