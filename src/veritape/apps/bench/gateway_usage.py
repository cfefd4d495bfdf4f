"""Rows of usage: how long a charge waits to be durable, and how fast charges reach the ledger (GW-662, GW-664)."""

import asyncio
import contextlib
import importlib
import os
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from veritape.apps.bench.results import Row, Size, timed
from veritape.apps.postgres import postgres_module
from veritape.gateway.adapters.drainer import Drainer
from veritape.gateway.adapters.group_commit import GroupCommit
from veritape.gateway.adapters.ledger import Ledger
from veritape.gateway.adapters.ledgers import UsageLedger
from veritape.gateway.adapters.outbox import Outbox
from veritape.gateway.quota import Decision, Mode
from veritape.gateway.usage import BOOT_BYTES, Caller, EventSource, UsageEvent
from veritape.kernel.clock import NANOSECONDS, SystemClock
from veritape.kernel.errors import MisuseError, UnavailableError

CHARGES_A_TICK: Final = 10
"""Charges of one millisecond: 10,000 a second."""

TICKS: Final = 1_000
"""Milliseconds of one run."""

LEDGER_EVENTS: Final = 50_000
"""Events of one run."""

GROUP: Final = 200
"""Events of one commit when a worker is under load."""

_CALLER: Final = Caller("acme", "live", "key_a", "acme:live")
_DECISION: Final = Decision(True, None, 1_000, (), 0, Mode.EXACT, "2026-11", 7)


def usage(size: Size) -> Iterator[Row]:
    """Measure commits and drains on the disk that holds temporary files."""
    runs = range(size.runs)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        waits = [asyncio.run(_commit_p99_ms(folder / f"outbox-{run}")) for run in runs]
        bare = [_bare_p99_ms(folder / f"bare-{run}") for run in runs]
        yield Row(
            "outbox_commit_p99", waits, "ms", "lower", 5.0, 2.0, peer="bare fdatasync loop", peer_values=bare
        )
        drained = [
            _drained_per_second(folder / f"ledger-{run}", Ledger(folder / f"{run}.db"), run) for run in runs
        ]
        yield Row("ledger_events_per_second_sqlite", drained, target=20_000.0, goal=100_000.0)
        try:
            drained = _postgresql_runs(folder, size.runs)
        except (UnavailableError, MisuseError) as error:
            click.echo(f"ledger_events_per_second_postgresql is not measured: {error.message}", err=True)
        else:
            yield Row("ledger_events_per_second_postgresql", drained, target=50_000.0, goal=150_000.0)


def _postgresql_runs(folder: Path, runs: int) -> list[float]:
    """Return events a second, run by run.

    Raises:
        UnavailableError: there is no server.
        MisuseError: the library for it is not installed.
    """
    ledger = postgres_module("postgres_ledger", "the ledger's row").PostgresLedger
    with importlib.import_module("veritape.apps.bench.postgres_server").postgres_server() as url:
        return [_drained_per_second(folder / f"copied-{run}", ledger(url), run) for run in range(runs)]


def _charges(boot: bytes, count: int) -> list[UsageEvent]:
    source = EventSource(boot)
    return [
        source.charge(_CALLER, "trades", _DECISION, 1_795_187_045_000_000, f"r{number}")
        for number in range(count)
    ]


async def _commit_p99_ms(folder: Path) -> float:
    """Return what a charge waits at 10,000 a second; each is due at its millisecond, whatever came before."""
    clock, boot = SystemClock(), bytes(BOOT_BYTES)
    with contextlib.closing(Outbox(folder, boot)) as outbox:
        commit, waits = GroupCommit(outbox.write, clock), list[int]()

        async def charge(event: UsageEvent, due_ns: int) -> None:
            await commit.append(event)
            waits.append(clock.monotonic_ns() - due_ns)

        events, began_ns = iter(_charges(boot, CHARGES_A_TICK * TICKS)), clock.monotonic_ns()
        async with asyncio.TaskGroup() as tasks:
            for tick in range(TICKS):
                due_ns = began_ns + tick * NANOSECONDS // 1_000
                await clock.sleep_until(due_ns)
                for _ in range(CHARGES_A_TICK):
                    tasks.create_task(charge(next(events), due_ns))
        commit.close()
    return _p99(waits) * 1_000 / NANOSECONDS


def _bare_p99_ms(path: Path) -> float:
    """Return what one write of a group's size and its sync take, one after the other."""
    clock, waits = SystemClock(), list[int]()
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    for _ in range(TICKS):
        began_ns = clock.monotonic_ns()
        os.write(file, bytes(2_000))
        os.fdatasync(file)
        waits.append(clock.monotonic_ns() - began_ns)
    os.close(file)
    return _p99(waits) * 1_000 / NANOSECONDS


def _p99(values: list[int]) -> float:
    return statistics.quantiles(values, n=100)[-1]


def _drained_per_second(folder: Path, ledger: UsageLedger, run: int) -> float:
    """Return how many events a second come from an outbox into a ledger; each run is a boot of its own."""
    boot = run.to_bytes(BOOT_BYTES)
    events = _charges(boot, LEDGER_EVENTS)
    with contextlib.closing(Outbox(folder, boot)) as outbox, contextlib.closing(ledger):
        for first in range(0, LEDGER_EVENTS, GROUP):
            outbox.write(events[first : first + GROUP])
        count, seconds = timed(lambda: Drainer(folder, ledger, print).drain().drained)
    return count / seconds
