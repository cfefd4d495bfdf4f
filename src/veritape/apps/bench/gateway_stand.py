"""A gateway, a Redis and an upstream of our own on loopback, for load scenarios (GW-851)."""

import asyncio
import contextlib
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
import uvloop

from veritape.apps.bench.gateway_client import Shot, request_bytes
from veritape.apps.bench.gateway_load import SCENARIOS, Outcome, Stand, usage_problems
from veritape.apps.bench.gateway_origin import origin
from veritape.apps.bench.gateway_server import WORKERS, gateway_server, redis_on_a_socket
from veritape.gateway.adapters.key_store import Grant, KeyStore
from veritape.gateway.adapters.peppers import load_pepper
from veritape.gateway.adapters.policy_file import shipped_policy
from veritape.gateway.adapters.sqlite_keys import SqliteKeys
from veritape.gateway.adapters.usage_reader import sqlite_usage
from veritape.gateway.keys import Environment
from veritape.gateway.quota import month_of
from veritape.kernel.clock import NANOSECONDS, Clock, SystemClock
from veritape.kernel.errors import MisuseError, UnavailableError

BODY: Final = b'{"items":[]}'
"""Body of every POST; the upstream does not look at it."""

DRAIN_S: Final = 5
"""Seconds within which the ledger has what was answered."""

MARGIN_S: Final = 60.0
"""Seconds beyond its minute after which a scenario is given up."""

PATHS: Final = {"identify": "/identify", "anonymous": "/identify", "compare": "/compare"}
"""What is asked for -> its path."""


@dataclass
class Keys:
    """Accounts of a gateway that runs, made in its key store."""

    data_dir: Path
    clock: Clock
    keys: dict[str, str] = field(default_factory=dict)
    """Account -> its key."""

    async def account(self, tier: str) -> str:
        """Make an account with a key; return its name."""
        name = f"{tier}-{len(self.keys)}"
        with contextlib.closing(
            KeyStore(SqliteKeys(self.data_dir / "keys.db"), load_pepper(self.data_dir, None))
        ) as store:
            self.keys[name], _ = store.create(
                name, tier, Grant(Environment.LIVE, ()), self.clock.wall_ns() // 1_000
            )
        return name

    def shot(self, what: str, account: str) -> Shot:
        """Return a request."""
        if what == "health":
            return Shot("", request_bytes("GET", "/health"))
        return Shot(account, request_bytes("POST", PATHS[what], self.keys.get(account, ""), BODY))

    async def counted(self) -> Mapping[str, int]:
        """Return account -> charged calls, when two looks a second apart agree."""
        seen: Mapping[str, int] | None = None
        for _ in range(DRAIN_S):
            await self.clock.sleep_until(self.clock.monotonic_ns() + NANOSECONDS * 5 // 4)
            found = await asyncio.to_thread(self._read)
            if found == seen:
                return found
            seen = found
        return seen or {}

    def _read(self) -> Mapping[str, int]:
        period = month_of(self.clock.wall_ns() // 1_000).period
        with sqlite_usage(self.data_dir / "usage.db") as reader:
            if reader.differences(period):
                raise UnavailableError("the ledger's events and months differ")
            return {
                row.account: row.calls for row in reader.figures(period, "route") if row.env and row.calls
            }


def run_load(names: list[str], seconds: float, open_rate: int = 10_000) -> list[dict[str, Any]]:
    """Run scenarios one after another on one stand; return a row each.

    Args:
        names: of scenarios.
        seconds: length of what lasts a minute.
        open_rate: requests a second of the open loop.

    Raises:
        UnavailableError: a server is missing or does not start.
        MisuseError: no such scenario.
    """
    unknown = set(names) - set(SCENARIOS)
    if unknown:
        raise MisuseError(f"--load: unknown scenario {min(unknown)!r}; known are {', '.join(SCENARIOS)}, all")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(names, seconds, open_rate))


async def _run(names: list[str], seconds: float, open_rate: int) -> list[dict[str, Any]]:
    rows = []
    async with load_stand(seconds, open_rate) as stand:
        for name in names:
            began_ns = stand.clock.monotonic_ns()
            try:
                async with asyncio.timeout(seconds + MARGIN_S):
                    outcome = await SCENARIOS[name](stand)
                problems = [*outcome.problems, *await usage_problems(stand, outcome)]
            except UnavailableError as error:
                outcome = Outcome(Counter(), Counter(), [])
                problems = [f"not run: {error.message}"]
            except TimeoutError:
                outcome = Outcome(Counter(), Counter(), [])
                problems = [f"not over after {seconds + MARGIN_S:.0f} s"]
            rows.append({
                "name": name, "ok": not problems, "problems": problems, "figures": outcome.figures, "overloaded": outcome.overloaded,
                "statuses": {str(status): count for status, count in sorted(outcome.statuses.items())},
                "seconds": round((stand.clock.monotonic_ns() - began_ns) / NANOSECONDS, 2),
            })  # fmt: skip
            click.echo(load_line(rows[-1]), err=True)
    return rows


def load_line(row: Mapping[str, Any]) -> str:
    """Return a scenario's row for people, as it ends."""
    counts = ", ".join(f"{count} x {status}" for status, count in row["statuses"].items())
    figures = f" ({row['figures']})" if row["figures"] else ""
    return f"{row['name']:10} {row['seconds']:7.2f} s  {counts}{figures}: {_verdict(row)}"


def _verdict(row: Mapping[str, Any]) -> str:
    verdict = "as expected" if row["ok"] else f"FAILED: {'; '.join(row['problems'])}"
    if not row["overloaded"]:
        return verdict
    return f"{verdict}; not all is judged, the machine was overloaded ({row['overloaded']})"


def load_table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of the table that all scenarios end with."""
    yield f"{'scenario':10} {'seconds':>8} {'200':>8} {'429':>8} {'other':>8}  verdict"
    for row in rows:
        of = Counter({int(status): count for status, count in row["statuses"].items()})
        other = of.total() - of[200] - of[429]
        figures = f" ({row['figures']})" if row["figures"] else ""
        counts = f"{of[200]:8,} {of[429]:8,} {other:8,}"
        yield f"{row['name']:10} {row['seconds']:8.1f} {counts}  {_verdict(row)}{figures}"
    seconds, right = sum(row["seconds"] for row in rows), sum(row["ok"] for row in rows)
    in_part = sum(bool(row["ok"] and row["overloaded"]) for row in rows)
    yield (
        f"{len(rows)} scenarios in {seconds:.0f} s: {right} as expected"
        f"{f' ({in_part} of them judged in part)' if in_part else ''}, {len(rows) - right} failed"
    )


@contextlib.asynccontextmanager
async def load_stand(seconds: float, open_rate: int) -> AsyncIterator[Stand]:
    """Start Redis, an upstream and a gateway with the shipped limits; stop them at the end.

    Raises:
        UnavailableError: ``redis-server`` is missing, or a server does not start.
    """
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="veritape-load-")))
        redis = await stack.enter_async_context(redis_on_a_socket(folder, clock))
        upstream = (await stack.enter_async_context(origin(folder, clock))).target
        config = _written(folder, redis.socket, upstream.port)
        gateway = await stack.enter_async_context(gateway_server(config, clock, "--workers", WORKERS))
        keys = Keys(folder / "data", clock)
        yield Stand(
            gateway.target,
            clock,
            keys.shot,
            keys.account,
            keys.counted,
            seconds,
            open_rate=open_rate,
            upstream=upstream,
        )


def _written(folder: Path, redis: Path, upstream_port: int) -> Path:
    policy, config = folder / "policy.toml", folder / "gateway.toml"
    policy.write_bytes(
        shipped_policy()
        .replace(b'kind = "memory"', b'kind = "redis"')
        .replace(
            b"fingerprint = { inprocess = true }",
            b'fingerprint = { targets = [{ url = "http://127.0.0.1:%d" }] }' % upstream_port,
        )
    )
    config.write_text(
        f'policy = "{policy}"\ndata_dir = "{folder / "data"}"\n[store]\nurl = "unix://{redis}"\n'
        '[log]\naccess = false\n[telemetry]\nlisten = ""\n[listen]\nadmin = ""\n'
    )
    return config
