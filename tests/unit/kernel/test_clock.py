"""Clocks: the machine's and the virtual one."""

import asyncio

import pytest

from veritape.kernel.clock import NANOSECONDS, ManualClock, SystemClock


async def test_the_system_clock_sleeps_until_the_moment_it_was_given() -> None:
    clock = SystemClock()
    until_ns = clock.monotonic_ns() + 2_000_000
    await clock.sleep_until(until_ns)
    assert clock.monotonic_ns() >= until_ns


async def test_a_sleep_is_of_whole_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that counts milliseconds would take a shorter rest for none and turn for as long as it lasts."""
    slept, sleep = list[float](), asyncio.sleep

    async def noted(delay_s: float) -> None:
        slept.append(delay_s)
        await sleep(delay_s)

    monkeypatch.setattr(asyncio, "sleep", noted)
    clock = SystemClock()
    await clock.sleep_until(clock.monotonic_ns() + 3_300_000)
    assert slept
    assert [delay_s * 1_000 for delay_s in slept] == [
        pytest.approx(round(delay_s * 1_000)) for delay_s in slept
    ]
    assert min(slept) >= 0.001


def test_the_wall_clock_is_this_century() -> None:
    assert SystemClock().wall_ns() > 1_500_000_000 * NANOSECONDS


async def test_the_manual_clock_wakes_sleepers_in_order_of_their_time() -> None:
    clock = ManualClock(monotonic_ns=10)
    woken: list[int] = []

    async def sleep(until_ns: int) -> None:
        await clock.sleep_until(until_ns)
        woken.append(until_ns)

    tasks = [asyncio.create_task(sleep(until_ns)) for until_ns in (40, 20, 5, 90)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    clock.advance_ns(50)
    await asyncio.gather(tasks[1], tasks[2])
    assert woken == [5, 20]
    clock.advance_ns(30)
    await tasks[3]
    assert (woken, clock.monotonic_ns(), clock.wall_ns()) == ([5, 20, 90], 90, 80)


def test_a_wall_step_leaves_the_monotonic_clock_alone() -> None:
    clock = ManualClock(wall_ns=100, monotonic_ns=7)
    clock.step_wall_ns(-60)
    assert (clock.wall_ns(), clock.monotonic_ns()) == (40, 7)
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance_ns(-1)
