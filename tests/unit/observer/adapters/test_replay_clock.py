"""Following a clock that another process turns."""

import asyncio
from itertools import pairwise

import pytest
from tests.broker import broker
from tests.tape import MIDNIGHT_NS
from tests.waiting import PATIENCE_S

from veritape.kernel.errors import UnavailableError
from veritape.observer.adapters import replay_clock
from veritape.observer.adapters.replay_clock import ReplayClock
from veritape.wire.kis.frames import TRADES_KRX


async def test_the_clock_follows_the_tape_and_never_goes_back() -> None:
    """OB-810: our client follows by GET /replay/clock."""
    async with broker(codes=("990001",)) as one:
        clock = ReplayClock(one.settings().rest_url)
        follower = await clock.start()
        readings = []
        for _ in range(50):
            readings.append(clock.monotonic_ns())
            await asyncio.sleep(0.002)
        assert readings == sorted(readings)
        assert MIDNIGHT_NS + 32_160 * 10**9 <= readings[0] < readings[-1] < MIDNIGHT_NS + 32_170 * 10**9
        await clock.sleep_until(readings[-1] + 10**8)
        assert clock.wall_ns() >= readings[-1] + 10**8
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)


async def test_a_tape_that_steps_wakes_its_sleepers_and_waits_for_them() -> None:
    """OB-810, OB-205: at --speed max no step is longer than the follower said when it last asked."""
    async with broker(codes=("990001",), speed=None) as one:
        clock = ReplayClock(one.settings().rest_url)
        clock.step_ms = lambda: 100
        follower = await clock.start()
        socket = one.exchange.connect(one.player.broker_ns())
        socket.registered.add((TRADES_KRX, "990001"))
        async with asyncio.timeout(PATIENCE_S):
            while not one.player.running:
                await asyncio.sleep(0.001)
        await clock.sleep_until(MIDNIGHT_NS + 32_401 * 10**9)
        readings = [clock.monotonic_ns()]
        for _ in range(20):
            await clock.sleep_until(readings[-1] + 1)
            readings.append(clock.monotonic_ns())
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
    assert max(after - before for before, after in pairwise(readings)) <= 100 * 1_000_000


async def test_an_absent_broker_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_clock, "ATTEMPTS", 2)
    with pytest.raises(UnavailableError, match="no replayed broker answers"):
        await ReplayClock("http://127.0.0.1:9").start()
