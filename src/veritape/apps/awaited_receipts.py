"""Wait for the receipts of the running executor: ``veritape demo`` asks no second process for what the chain makes itself."""

import asyncio
from pathlib import Path

from veritape.apps.tape_source import SealedTapes
from veritape.executor.adapters.guest_files import guest_image
from veritape.executor.adapters.service import chain_programs
from veritape.executor.log_events import LogEvent
from veritape.executor.tapes import receipt_name

LOOK_SECONDS = 0.1
"""Pause between two looks at the folder."""

PATIENCE_SECONDS = 300.0
"""Seconds without a new receipt after which the rest counts as missing: a starved machine compiles for minutes."""


def missing_receipts(data: Path, folder: Path) -> list[str]:
    """Return the names of the receipts that are not in the folder, of every program over every sealed tape."""
    programs = [program.name for program in chain_programs(guest_image)]
    names = (receipt_name(program, key) for key in SealedTapes(data).sealed() for program in programs)
    return [name for name in names if not (folder / name).exists()]


async def until_made(
    data: Path, folder: Path, log: Path, patience_seconds: float = PATIENCE_SECONDS
) -> list[str]:
    """Wait until the executor has made every receipt, or has said that it cannot; return the missing ones.

    Args:
        data: the recorder's data directory, where everything is sealed.
        folder: where the executor writes receipts.
        log: what the executor says.
        patience_seconds: without a new receipt until the rest counts as missing.
    """
    left = missing_receipts(data, folder)
    looks = 0
    while left and looks * LOOK_SECONDS < patience_seconds and not _has_failed(log):
        await asyncio.sleep(LOOK_SECONDS)
        before, left = left, [name for name in left if not (folder / name).exists()]
        looks = looks + 1 if left == before else 0
    return missing_receipts(data, folder)


def _has_failed(log: Path) -> bool:
    """Tell whether the executor's log names a tape over which a program failed."""
    return log.exists() and f'"event":"{LogEvent.TAPE_FAILED}"'.encode() in log.read_bytes()
