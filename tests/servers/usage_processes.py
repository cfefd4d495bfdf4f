"""Processes that charge and that drain, to be killed: the product's own parts without HTTP around them."""

import asyncio
import multiprocessing
import os
import secrets
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.usage import CALLER, DECISION, WALL_US

from veritape.gateway.adapters.drainer import Drainer
from veritape.gateway.adapters.group_commit import GroupCommit
from veritape.gateway.adapters.ledger import Ledger
from veritape.gateway.adapters.ledger_commit import LedgerFirst
from veritape.gateway.adapters.ledgers import UsageLedger
from veritape.gateway.adapters.outbox import Outbox
from veritape.gateway.adapters.postgres_ledger import PostgresLedger
from veritape.gateway.usage import EventSource
from veritape.kernel.clock import SystemClock

CALLERS = 8
"""Charges under way at a time."""


def open_ledger(folder: Path, url: str) -> UsageLedger:
    """Return the ledger of a folder, or of a database when one is named."""
    return PostgresLedger(url) if url else Ledger(folder / "usage.db")


def started(work: Callable[..., None], *values: object) -> BaseProcess:
    """Run a function in a child that ends only by being killed."""
    child = multiprocessing.get_context("fork").Process(target=work, args=values, daemon=True)
    child.start()
    return child


def charge(folder: Path, url: str) -> None:
    """Charge without pause; note each charge in ``acknowledged`` once it is durable, as a response would tell it.

    Args:
        folder: of outbox and notes.
        url: of the database that commits (``usage.commit = "ledger"``); empty: the outbox does (``local``).
    """
    asyncio.run(_charge(folder, url))


async def _charge(folder: Path, url: str) -> None:
    boot = secrets.token_bytes(8)
    outbox, source = Outbox(folder / "outbox", boot), EventSource(boot)
    write = LedgerFirst(PostgresLedger(url).write, outbox.write).write if url else outbox.write
    commit = GroupCommit(write, SystemClock())
    told = os.open(folder / "acknowledged", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def call() -> None:
        while True:
            event = source.charge(CALLER, "trades", DECISION, WALL_US, "")
            name = f"{boot.hex()}-{event.seq}"
            await commit.append(event._replace(request_id=name))
            os.write(told, f"{name}\n".encode())

    await asyncio.gather(*(call() for _ in range(CALLERS)))


def drain(folder: Path, url: str) -> None:
    """Drain without pause."""
    ledger = open_ledger(folder, url)
    drainer = Drainer(folder / "outbox", ledger, print)
    while True:
        drainer.drain()
        time.sleep(0.001)


def acknowledged(folder: Path) -> list[str]:
    """Return the charges that were acknowledged so far."""
    try:
        return (folder / "acknowledged").read_text().split()
    except FileNotFoundError:
        return []
