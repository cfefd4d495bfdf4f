"""The way of a charge in one worker, put together: group commit, then outbox or database, and the ledger behind them."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import click

from veritape.apps.audit_trail import opened_audit
from veritape.apps.postgres import postgres_module
from veritape.gateway.adapters.drainer import Drainer
from veritape.gateway.adapters.draining import Draining
from veritape.gateway.adapters.group_commit import Commit as CommitReport
from veritape.gateway.adapters.group_commit import GroupCommit, Write
from veritape.gateway.adapters.ledger import FILE, Ledger, SqliteReader
from veritape.gateway.adapters.ledger_commit import LedgerFirst
from veritape.gateway.adapters.ledgers import LedgerReader, UsageLedger
from veritape.gateway.adapters.month_counters import MonthCounters
from veritape.gateway.adapters.outbox import FOLDER, Outbox
from veritape.gateway.adapters.reconciler import Reconciler
from veritape.gateway.adapters.reconciling import Reconciling
from veritape.gateway.adapters.retiring import Retiring
from veritape.gateway.policy import Policy
from veritape.gateway.reconciliation import by_name
from veritape.gateway.settings import GatewaySettings
from veritape.gateway.usage import BOOT_BYTES, Commit, EventSource, OnFailure
from veritape.gateway.usage_metrics import note_commit
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.telemetry import Registry

ASYNC_PAUSE_S: Final = 0.1
"""Seconds between two commits of ``usage.commit = "async"``."""

PROBE_NS: Final = NANOSECONDS
"""How often an outbox that could not be written is tried."""


@dataclass(frozen=True)
class Metering:
    """What a worker needs to charge."""

    events: EventSource
    """Numbers the events of this boot."""
    commit: GroupCommit
    """Makes them durable."""
    reader: LedgerReader
    """What the ledger has by now."""
    clock: Clock

    async def sums(self, subject: str, period: str) -> Mapping[str, int]:
        """Return boot -> mu that the ledger has of a subject's month; closed boots are one.

        Raises:
            UnavailableError: the ledger cannot be read.
        """
        shares = await asyncio.to_thread(self.reader.shares, period, subject)
        return by_name(shares).get(subject, {})

    async def probe(self) -> None:
        """Try an outbox that could not be written each second, so that the worker becomes ready again by itself."""
        while True:
            await self.clock.sleep_until(self.clock.monotonic_ns() + PROBE_NS)
            if self.commit.failed:
                with contextlib.suppress(UnavailableError):
                    await self.commit.probe()


def open_ledger(settings: GatewaySettings) -> UsageLedger:
    """Return the ledger to write.

    Raises:
        UnavailableError: it cannot be opened, or another gateway writes it.
        MisuseError: it is a PostgreSQL database and the library for it is not installed.
    """
    if settings.ledger.url:
        return _postgres(settings)
    return Ledger(settings.data_dir / FILE)


def open_reader(settings: GatewaySettings) -> LedgerReader:
    """Return the ledger to read; errors as ``open_ledger``."""
    return _postgres(settings) if settings.ledger.url else SqliteReader(settings.data_dir / FILE)


def open_counters(settings: GatewaySettings, policy: Policy) -> MonthCounters | None:
    """Return the shared counters; None when they are in the memory of one process."""
    if policy.store.kind == "memory":
        return None
    return MonthCounters(settings.store.url.get_secret_value(), policy.store.partitions)


@dataclass(frozen=True)
class LedgerWork:
    """What whoever owns the ledger does all the time."""

    draining: Draining
    reconciling: Reconciling
    retiring: Retiring

    async def run(self) -> None:
        """Drain, reconcile and let old months go until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.retiring.run())
            tasks.create_task(self.draining.run())
            tasks.create_task(self.reconciling.run())


@contextlib.asynccontextmanager
async def drained_ledger(
    settings: GatewaySettings, policy: Policy, registry: Registry, clock: Clock
) -> AsyncIterator[LedgerWork]:
    """Own the ledger: what dead boots left is in it when the context begins, what living ones wrote when it ends.

    Raises:
        UnavailableError: the ledger cannot be opened, or another gateway writes it.
    """
    with contextlib.ExitStack() as stack:
        ledger = stack.enter_context(contextlib.closing(open_ledger(settings)))
        counters = open_counters(settings, policy)
        if counters is not None:
            stack.enter_context(contextlib.closing(counters))
        draining = Draining(Drainer(settings.data_dir / FOLDER, ledger, _warn), registry, clock, _warn)
        reconciler, boot = Reconciler(ledger, counters, _second), secrets.token_bytes(BOOT_BYTES)
        reconciling = Reconciling(reconciler, ledger, draining, boot, registry, clock, _warn)
        audit = stack.enter_context(opened_audit(settings, clock))
        retiring = Retiring(ledger, settings.usage.retention_days, audit.append, clock, _warn)
        await draining.drain()
        try:
            yield LedgerWork(draining, reconciling, retiring)
        finally:
            await draining.drain()
            await reconciling.reconcile(compare=False)


def _second() -> None:
    time.sleep(1.0)


def _warn(line: str) -> None:
    click.echo(line, err=True)


@contextlib.contextmanager
def worker_metering(settings: GatewaySettings, registry: Registry, clock: Clock) -> Iterator[Metering]:
    """Begin a boot: its outbox file says that it lives until the context ends.

    Raises:
        UnavailableError: the outbox cannot be made.
        MisuseError: charges are to be committed to a ledger that is SQLite.
    """
    usage, boot = settings.usage, secrets.token_bytes(BOOT_BYTES)
    if usage.commit is Commit.LEDGER and not settings.ledger.url:
        raise MisuseError('usage.commit = "ledger" needs ledger.url: SQLite has one writer, use "local"')
    served_anyway = usage.commit is Commit.ASYNC or usage.on_failure is OnFailure.CONTINUE

    def told(commit: CommitReport) -> None:
        failed = commit.failure is not None
        note_commit(registry, commit.events, commit.seconds, failed=failed, served_anyway=served_anyway)

    pause_s = ASYNC_PAUSE_S if usage.commit is Commit.ASYNC else 0.0
    with contextlib.ExitStack() as stack:
        outbox = stack.enter_context(contextlib.closing(Outbox(settings.data_dir / FOLDER, boot)))
        commit = GroupCommit(_write(settings, outbox, stack), clock, told, pause_s)
        stack.callback(commit.close)
        reader = stack.enter_context(contextlib.closing(open_reader(settings)))
        yield Metering(EventSource(boot), commit, reader, clock)


def _write(settings: GatewaySettings, outbox: Outbox, stack: contextlib.ExitStack) -> Write:
    """Return what makes a group durable."""
    if settings.usage.commit is not Commit.LEDGER:
        return outbox.write
    ledger = stack.enter_context(contextlib.closing(_postgres(settings)))
    return stack.enter_context(contextlib.closing(LedgerFirst(ledger.write, outbox.write))).write


def _postgres(settings: GatewaySettings) -> UsageLedger:
    module = postgres_module("postgres_ledger", "ledger.url")
    ledger: UsageLedger = module.PostgresLedger(settings.ledger.url, settings.ledger.password_file)
    return ledger
