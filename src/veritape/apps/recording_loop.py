"""The event loop that a recorder runs in: uvloop, an interpreter that the journal's thread gets in time, and what goes on beside.

Ctrl-C and SIGTERM are the loop's from its first moment: an exception that a signal raises could come up anywhere in it. Until a
recorder records they cancel it where it waits, so that it closes what it has opened; afterwards they end the recording.
"""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

import uvloop

from veritape.apps.start import SIGNALS
from veritape.kernel.errors import UnavailableError
from veritape.observer.adapters.journal_writer import SWITCH_SECONDS

ResultT = TypeVar("ResultT")


def run_recorder(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a recorder until it ends; return its result.

    Raises:
        KeyboardInterrupt: it was stopped before it recorded; what it had opened is closed.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_stoppable(work))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # uvloop leaves it to the kernel
        sys.setswitchinterval(before)


async def _stoppable(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a recorder runs in a task")
    _on_signals(task.cancel)
    return await work


def _on_signals(do: Callable[[], object]) -> None:
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, do)


async def until_signal(work: Coroutine[Any, Any, None], failed: "asyncio.Future[UnavailableError]") -> None:
    """Record until the work ends, a signal asks to stop, or the journal has failed, whose error is raised."""
    stop = asyncio.Event()
    _on_signals(stop.set)
    task, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    either: set[asyncio.Future[Any]] = {task, stopped, failed}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    for waiting in (task, stopped):
        if not waiting.done():
            waiting.cancel()
    await asyncio.gather(task, stopped, return_exceptions=True)
    if failed.done():
        raise failed.result()
    if not task.cancelled():
        task.result()


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
