"""The event loop that a recorder runs in: uvloop, an interpreter that the journal's thread gets in time, and what goes on beside."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

import uvloop

from veritape.observer.adapters.journal_writer import SWITCH_SECONDS

ResultT = TypeVar("ResultT")


def run_recorder(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a recorder until it ends; return its result."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    finally:
        sys.setswitchinterval(before)


class Keeper(Protocol):
    """Something that goes on beside the days."""

    async def run(self) -> None:
        """Go on until cancelled, or end when there is nothing to do."""
        ...


async def beside(work: Coroutine[Any, Any, None], *keepers: Keeper) -> None:
    """Do the work with keepers beside it until it is done; a bug in any of them ends all."""
    recording = asyncio.create_task(work)
    keeping = [asyncio.create_task(keeper.run()) for keeper in keepers]
    pending = {recording, *keeping}
    try:
        while recording in pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        for task in (recording, *keeping):
            task.cancel()
        await asyncio.gather(recording, *keeping, return_exceptions=True)
