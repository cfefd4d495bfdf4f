"""The recorder's event loop."""

import asyncio
import sys

import pytest
import uvloop
from tests.waiting import PATIENCE_S

from veritape.apps.recording_loop import beside, run_recorder
from veritape.observer.adapters.journal_writer import SWITCH_SECONDS


def test_the_journal_s_thread_need_not_wait_for_a_busy_loop() -> None:
    """OB-506: uvloop, with short turns of the threads while the recorder runs and the usual ones afterwards."""
    before = sys.getswitchinterval()

    async def seen() -> tuple[bool, float]:
        return isinstance(asyncio.get_running_loop(), uvloop.Loop), sys.getswitchinterval()

    is_uvloop, seconds = run_recorder(seen())
    assert is_uvloop
    assert abs(seconds - SWITCH_SECONDS) < SWITCH_SECONDS / 10
    assert sys.getswitchinterval() == before != seconds


class Keeper:
    """An upkeep that ends at once, fails, or goes on."""

    def __init__(self, end: str) -> None:
        self.end = end

    async def run(self) -> None:
        if self.end == "fails":
            raise ValueError("a bug")
        if self.end == "goes on":
            await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("end", ["at once", "goes on"])
async def test_the_days_go_on_beside_the_backup_and_end_both(end: str) -> None:
    """OB-012, OB-751."""
    done = asyncio.Event()

    async def days() -> None:
        await asyncio.sleep(0.01)
        done.set()

    await asyncio.wait_for(beside(days(), Keeper(end)), PATIENCE_S)
    assert done.is_set()


async def test_a_bug_in_the_backup_ends_the_recorder() -> None:
    """OB-011: nothing is swallowed; the recorder closes its day first."""
    closed = asyncio.Event()

    async def days() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            closed.set()

    with pytest.raises(ValueError, match="a bug"):
        await asyncio.wait_for(beside(days(), Keeper("fails")), PATIENCE_S)
    assert closed.is_set()
