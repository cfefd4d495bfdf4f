"""The event loop that a recorder runs in: uvloop, with an interpreter that the journal's thread gets in time."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

from veritape.observer.adapters.journal_files import SWITCH_SECONDS

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
