"""The recorder's event loop."""

import asyncio
import contextlib
import signal
import sys

import pytest
import uvloop
from tests.waiting import PATIENCE_S

from veritape.apps.recording_loop import beside, run_recorder, until_signal
from veritape.apps.start import SIGNALS
from veritape.kernel.errors import UnavailableError
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


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_before_it_records_closes_what_is_open(number: signal.Signals) -> None:
    """OB-971: it is cancelled where it waits, never in the middle of a step, and the command is told."""
    steps = []

    async def opening() -> None:
        signal.raise_signal(number)
        steps.append("goes on")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            steps.append("closed")

    before = signal.signal(signal.SIGINT, signal.default_int_handler), signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_recorder(opening())
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        for one, handler in zip(SIGNALS, before, strict=True):
            signal.signal(one, handler)
    assert steps == ["goes on", "closed"]


@pytest.mark.parametrize("how", ["ends", "signal", "fails", "journal"])
def test_a_recording_ends_by_itself_by_a_signal_or_by_its_journal(how: str) -> None:
    """OB-507, OB-971: a signal cancels the recording and is no error; its own error, and the journal's, are raised."""
    steps = []

    async def days() -> None:
        if how == "fails":
            raise ValueError("a bug")
        try:
            if how != "ends":
                await asyncio.get_running_loop().create_future()
        finally:
            steps.append("closed")

    async def recorder() -> None:
        loop = asyncio.get_running_loop()
        failed: asyncio.Future[UnavailableError] = loop.create_future()
        if how == "journal":
            loop.call_soon(failed.set_result, UnavailableError("disk full"))
        if how == "signal":
            loop.call_later(0.01, signal.raise_signal, signal.SIGTERM)
        await until_signal(days(), failed)

    before = signal.getsignal(signal.SIGTERM)
    expected = {"fails": (ValueError, "a bug"), "journal": (UnavailableError, "disk full")}
    try:
        with (
            pytest.raises(expected[how][0], match=expected[how][1])
            if how in expected
            else contextlib.nullcontext()
        ):
            run_recorder(recorder())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert steps == ([] if how == "fails" else ["closed"])
