"""Staying connected: attempts, silence, and the end of a connection's parts."""

import asyncio

import aiohttp
import pytest

from veritape.kernel.clock import NANOSECONDS, ManualClock
from veritape.observer.adapters.connected import Connected, until_one_ends
from veritape.observer.session import PROBE_NS, SessionAction, SessionEvent, SessionNotice, SessionState

SILENCE_NS = 20 * NANOSECONDS


def connected(clock: ManualClock) -> Connected:
    one = Connected(SILENCE_NS, clock)
    for event in (SessionEvent.WANTED, SessionEvent.OPENED, SessionEvent.SETTLED):
        one.happened(event)
    return one


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_silence_that_was_listened_to_ends_it() -> None:
    """OB-451, OB-452: the limit, then 5 s more."""
    clock = ManualClock()
    one = connected(clock)
    silent = asyncio.create_task(one.until_silent(lambda: True))
    seconds = 0
    while not silent.done():
        await turn()
        clock.advance_ns(NANOSECONDS)
        seconds += 1
        await turn()
    assert await silent
    assert seconds == (SILENCE_NS + PROBE_NS) // NANOSECONDS
    assert one.session.state is SessionState.WAITING


async def test_a_standstill_of_the_process_is_no_silence() -> None:
    """OB-452: an hour in which nobody listened ends nothing; a closed connection ends the listening."""
    clock = ManualClock()
    one = connected(clock)
    silent = asyncio.create_task(one.until_silent(lambda: True))
    await turn()
    clock.advance_ns(3600 * NANOSECONDS)
    await turn()
    assert not silent.done()
    assert one.session.state is SessionState.LIVE
    one.happened(SessionEvent.ENDED)
    clock.advance_ns(NANOSECONDS)
    assert not await silent


async def test_it_connects_until_it_is_left_and_tells_what_happened() -> None:
    """OB-451: a failed attempt waits for its time; leaving ends it."""
    clock, told, attempts = ManualClock(), list[SessionNotice | None](), 0
    one = Connected(SILENCE_NS, clock, lambda: told.append(one.session.notice))

    async def connect() -> SessionAction:
        nonlocal attempts
        attempts += 1
        if attempts == 3:
            one.leave()
            return SessionAction.NONE
        return one.happened(SessionEvent.FAILED)

    staying = asyncio.create_task(one.stay(connect))
    while not staying.done():
        await turn()
        clock.advance_ns(NANOSECONDS)
    await staying
    assert (attempts, one.session.state) == (3, SessionState.CLOSED)
    assert told.count(SessionNotice.CONNECTION_LOST) == 2


async def test_the_first_part_that_ends_ends_the_others() -> None:
    """OB-453, OB-011: a lost connection is no error; anything else is."""

    async def lost() -> None:
        raise aiohttp.ClientError

    async def wrong() -> None:
        raise ValueError("planted")

    endless = asyncio.Event()
    await until_one_ends([endless.wait(), lost()])
    with pytest.raises(ValueError, match="planted"):
        await until_one_ends([endless.wait(), wrong()])
