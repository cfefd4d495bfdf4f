"""Following a clock that another process turns."""

import asyncio

import pytest
from tests.broker import broker
from tests.tape import MIDNIGHT_NS

from veritape.kernel.errors import UnavailableError
from veritape.observer.adapters import replay_clock
from veritape.observer.adapters.replay_clock import ReplayClock


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


async def test_an_absent_broker_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_clock, "ATTEMPTS", 2)
    with pytest.raises(UnavailableError, match="no replayed broker answers"):
        await ReplayClock("http://127.0.0.1:9").start()
