"""Suite ``gateway``: the whole way of a request through the gateway, beside nginx and Envoy.

All lead to the same upstream, get the same requests from the same generator and are asked in turns. A core's worth is told by processor
time: answers of 200 for each second that a proxy's processes worked. So the figure neither depends on what else the machine does nor on
what the generator takes, and a peer that is faster than the generator is not held back by it.
"""

import asyncio
import contextlib
import statistics
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, NamedTuple

import click
import uvloop

from veritape.apps.bench.gateway_client import Target, request_bytes
from veritape.apps.bench.gateway_flood import CEILING_SHARE, flood, open_loop
from veritape.apps.bench.gateway_peers import envoy, nginx
from veritape.apps.bench.gateway_server import Server, gateway_server, redis_on_a_socket
from veritape.apps.bench.gateway_upstream import upstream_process
from veritape.apps.bench.machine_load import MachineLoad, processor_seconds
from veritape.apps.bench.results import Row, Size
from veritape.gateway.adapters.key_store import Grant, KeyStore
from veritape.gateway.adapters.peppers import load_pepper
from veritape.gateway.adapters.sqlite_keys import SqliteKeys
from veritape.gateway.keys import Environment
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import UnavailableError

ENVOY, NGINX = "Envoy, local rate limit", "nginx, limit_req"
"""Peers."""

FLOOD_S: Final = 1.5
"""Seconds of one proxy's turn."""

WARM_S: Final = 0.3
"""Seconds before the first turn, not counted."""

CONNECTIONS: Final = 64
"""Requests under way at a time."""

OPEN_RATE: Final = 10_000
"""Requests a second of the open loop."""

ENVOY_SHARE: Final = 0.75
"""Of Envoy's figure: the target; the goal is all of it."""

TWO_CORES: Final = (15_000.0, 25_000.0)
"""Target and goal of two workers with Redis, requests a second."""

POLICY: Final = """
version = 1
engine = 1
store = { kind = "STORE" }
[tiers.bench]
minute = { limit = 1_000_000, burst = 1_000_000 }
hour = { limit = 30_000_000 }
month = { quota = 1_000_000_000, overage = "deny" }
concurrency = 1_000
[ip]
class = [{ name = "anonymous", cidrs = ["0.0.0.0/0"], minute = { limit = 1_000_000, burst = 1_000_000 } }]
[upstreams]
one = { targets = [{ url = "http://127.0.0.1:PORT" }] }
[routes]
one = { path = "/one", methods = ["GET"], upstream = "one", cost = "1" }
public = { path = "/public/one", methods = ["GET"], upstream = "one", cost = "1", anonymous = true }
"""
"""Limits that refuse nobody here; ``public`` is for callers without a key."""


class Bench(NamedTuple):
    """What a row needs."""

    folder: Path
    """Of the configuration, ``gateway.toml``."""
    upstream: Target
    clock: SystemClock
    key: str
    """Of an account whose limits refuse nothing here."""

    @property
    def request(self) -> bytes:
        """Return the request that everybody gets."""
        return request_bytes("GET", "/one", self.key)


def proxies(size: Size) -> Iterator[Row]:
    """Measure the gateway as a proxy."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield from runner.run(_per_core(size))
        yield from runner.run(_with_redis(size))


async def _per_core(size: Size) -> list[Row]:
    """Return the rows of one worker in memory, and of a worker of each peer that is here."""
    async with contextlib.AsyncExitStack() as stack:
        bench = prepared(stack, "memory", "")
        servers = {
            "veritape": await stack.enter_async_context(
                gateway_server(bench.folder / "gateway.toml", bench.clock)
            )
        }
        for name, start in ((ENVOY, envoy), (NGINX, nginx)):
            await _join(
                stack, servers, name, start(bench.folder, bench.upstream.port, bench.key, bench.clock)
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
    tally = await flood(server.target, bench.request, seconds, bench.clock, CONNECTIONS)
    worked_s = processor_seconds(server.pid) - before_s
    if set(tally.statuses) != {200}:
        click.echo(f"{name} answers {dict(tally.statuses)}; only 200 counts", err=True)
    return tally.statuses[200] / max(worked_s, 0.01)


async def _with_redis(size: Size) -> list[Row]:
    """Return the rows of two workers with Redis, generator and upstream on the same machine."""
    async with contextlib.AsyncExitStack() as stack:
        socket = await stack.enter_async_context(_redis())
        bench = prepared(stack, "redis", f'[store]\nurl = "unix://{socket}"\n')
        start = gateway_server(bench.folder / "gateway.toml", bench.clock, "--workers", "2")
        server = await stack.enter_async_context(start)
        await flood(server.target, bench.request, WARM_S, bench.clock, CONNECTIONS)
        busy = MachineLoad()
        tallies = [
            await flood(server.target, bench.request, FLOOD_S, bench.clock, CONNECTIONS)
            for _ in range(size.runs)
        ]
        errors = [100 - 100 * tally.statuses[200] / tally.statuses.total() for tally in tallies]
        target, goal = TWO_CORES
        rows = [
            Row("gateway_redis_two_cores", [tally.per_second for tally in tallies], target=target, goal=goal),
            Row("gateway_redis_two_cores_errors", errors, "%", "lower", 0.1),
        ]
        rows += await _open_loop(server, bench, size.seconds)
        click.echo(
            f"while the gateway ran with Redis {busy.foreign_share():.0%} of the machine worked for others",
            err=True,
        )
    return rows


async def _open_loop(server: Server, bench: Bench, seconds: float) -> list[Row]:
    """Return the row of 10,000 requests a second on a schedule; none when the generator itself is too slow for that."""
    ceiling = (await flood(bench.upstream, bench.request, FLOOD_S, bench.clock)).per_second
    if CEILING_SHARE * ceiling < OPEN_RATE:
        click.echo(
            f"open_loop_10k_p95 is not measured: the generator reaches {ceiling:,.0f} requests/s here",
            err=True,
        )
        return []
    tally = await open_loop(server.target, bench.request, OPEN_RATE, seconds, bench.clock)
    return [Row("open_loop_10k_p95", [tally.latency_ms(95)], "ms", "lower", 50.0, 10.0)]


@contextlib.asynccontextmanager
async def _redis() -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory(prefix="veritape-bench-") as folder:
        async with redis_on_a_socket(Path(folder), SystemClock()) as socket:
            yield socket


def prepared(stack: contextlib.AsyncExitStack, store: str, settings: str) -> Bench:
    """Start the upstream, write a configuration and make a key."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="veritape-bench-")))
    upstream = Target("127.0.0.1", stack.enter_context(upstream_process()))
    (folder / "policy.toml").write_text(POLICY.replace("STORE", store).replace("PORT", str(upstream.port)))
    (folder / "gateway.toml").write_text(
        f'policy = "{folder / "policy.toml"}"\ndata_dir = "{folder / "data"}"\n{settings}'
        '[log]\naccess = false\n[telemetry]\nlisten = ""\n[listen]\nadmin = ""\n'
    )
    clock, data = SystemClock(), folder / "data"
    data.mkdir(mode=0o700)
    with contextlib.closing(KeyStore(SqliteKeys(data / "keys.db"), load_pepper(data, None))) as store_of_keys:
        key, _ = store_of_keys.create("acme", "bench", Grant(Environment.LIVE, ()), clock.wall_ns() // 1_000)
    return Bench(folder, upstream, clock, key)
