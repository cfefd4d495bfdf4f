"""The recorder's event loop."""

import asyncio
import sys

import uvloop

from veritape.apps.recording_loop import run_recorder
from veritape.observer.adapters.journal_files import SWITCH_SECONDS


def test_the_journal_s_thread_need_not_wait_for_a_busy_loop() -> None:
    """OB-506: uvloop, with short turns of the threads while the recorder runs and the usual ones afterwards."""
    before = sys.getswitchinterval()

    async def seen() -> tuple[bool, float]:
        return isinstance(asyncio.get_running_loop(), uvloop.Loop), sys.getswitchinterval()

    is_uvloop, seconds = run_recorder(seen())
    assert is_uvloop
    assert abs(seconds - SWITCH_SECONDS) < SWITCH_SECONDS / 10
    assert sys.getswitchinterval() == before != seconds
