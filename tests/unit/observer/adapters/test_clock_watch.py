"""A wall clock that steps while somebody waits."""

import asyncio

import structlog

from veritape.kernel.clock import ManualClock
from veritape.observer.adapters.clock_watch import LOOK_NS, ClockWatch, sleep_until_wall

SECOND = 10**9


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_each_step_is_one_event() -> None:
    """OB-004: forward two hours, backward 90 seconds: ``clock_stepped`` with the step, and nothing for time that passes."""
    clock = ManualClock(wall_ns=10**18, monotonic_ns=5)
    with structlog.testing.capture_logs() as told:
        watch = asyncio.create_task(ClockWatch(clock).run())
        for step_s in (0, 7200, 0, -90, 0):
            await turns()
            clock.step_wall_ns(step_s * SECOND)
            clock.advance_ns(SECOND)
        await turns()
        watch.cancel()
    assert told == [
        {"event": "clock_stepped", "log_level": "warning", "step_s": step_s} for step_s in (7200.0, -90.0)
    ]


async def test_who_waits_for_a_time_of_the_day_sees_a_step() -> None:
    """OB-004: after a step forward nobody sleeps on, and after one back nobody is early."""
    clock = ManualClock(wall_ns=0, monotonic_ns=77)
    forward = asyncio.create_task(sleep_until_wall(clock, 7200 * SECOND))
    await turns()
    clock.step_wall_ns(7200 * SECOND)
    clock.advance_ns(LOOK_NS)
    await turns()
    assert forward.done()
    start_ns = clock.wall_ns()
    backward = asyncio.create_task(sleep_until_wall(clock, start_ns + 60 * SECOND))
    await turns()
    clock.step_wall_ns(-90 * SECOND)
    for _ in range(4):
        clock.advance_ns(LOOK_NS)
        await turns()
    assert not backward.done()
    clock.advance_ns(LOOK_NS)
    await turns()
    assert backward.done()
    assert clock.wall_ns() == start_ns + 60 * SECOND
    await sleep_until_wall(clock, clock.wall_ns())
