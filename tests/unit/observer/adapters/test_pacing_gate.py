"""Callers at the gate."""

import asyncio

import pytest

from veritape.kernel.clock import ManualClock
from veritape.observer.adapters.pacing_gate import Gate
from veritape.observer.adapters.permit_file import MemoryPermits
from veritape.observer.lanes import Lane
from veritape.observer.pacing import Pace, Permit

SECOND = 1_000_000_000


class World:
    """A gate and its clock."""

    def __init__(self, limit: int = 2) -> None:
        self.clock = ManualClock(wall_ns=10**18, monotonic_ns=SECOND)
        self.gate = Gate(MemoryPermits(Pace(limit, spacing=False)), self.clock)
        self.got: list[tuple[str, Permit]] = []

    def caller(self, name: str, lane: Lane) -> "asyncio.Task[None]":
        async def call() -> None:
            self.got.append((name, await self.gate.take(lane)))

        return asyncio.create_task(call())

    async def after(self, duration_ns: int) -> list[str]:
        """Let time pass; return who has a permit by then."""
        self.clock.advance_ns(duration_ns)
        for _ in range(5):
            await asyncio.sleep(0)
        return [name for name, _ in self.got]


async def test_callers_are_served_by_lane_as_permits_return() -> None:
    """OB-251, OB-257: strict order among those who wait; a permit returns a second after its answer."""
    world = World()
    callers = [
        world.caller(name, lane)
        for name, lane in (("a", Lane.BULK), ("b", Lane.BULK), ("c", Lane.BULK), ("d", Lane.TOKEN))
    ]
    assert await world.after(0) == ["a", "b"]
    world.gate.answered(world.got[0][1])
    assert await world.after(SECOND - 1) == ["a", "b"]
    assert await world.after(1) == ["a", "b", "d"]
    world.gate.answered(world.got[1][1])
    assert await world.after(SECOND + SECOND // 2) == ["a", "b", "d", "c"]
    assert world.gate.lanes[Lane.TOKEN].delayed == 1
    assert world.gate.figures.in_use == 2
    await asyncio.gather(*callers)
    await world.gate.close()


async def test_a_caller_that_gives_up_leaves_no_trace() -> None:
    """OB-255: while it waits, and when its permit came in the same turn."""
    world = World(1)
    first = world.caller("a", Lane.SWEEP)
    await world.after(0)
    second = world.caller("b", Lane.SWEEP)
    await world.after(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert world.gate.lanes[Lane.SWEEP].waiting == 0
    world.gate.answered(world.got[0][1])
    third = world.caller("c", Lane.SWEEP)
    await asyncio.sleep(0)
    ticket = next(iter(world.gate._callers))
    with world.gate._permits.pace() as pace:
        permit = pace.grant(3 * SECOND, 1, lambda _pid, _ns: True)
    assert isinstance(permit, Permit)
    world.gate._callers.pop(ticket).set_result(permit)
    third.cancel()
    await asyncio.gather(third, return_exceptions=True)
    assert third.cancelled()
    assert world.gate.figures.in_use == 0
    await asyncio.gather(first)
    await world.gate.close()


async def test_a_refusal_for_speed_reaches_the_permits() -> None:
    """OB-258: the second within a minute lowers N and pauses everybody."""
    world = World(10)
    callers = [world.caller(name, Lane.SWEEP) for name in "abc"]
    await world.after(0)
    world.gate.answered(world.got[0][1], refused_for_speed=True)
    world.gate.answered(world.got[1][1], refused_for_speed=True)
    assert (world.gate.figures.permits, world.gate.figures.pauses) == (8, 1)
    callers.append(world.caller("d", Lane.TOKEN))
    assert await world.after(SECOND - 1) == ["a", "b", "c"]
    assert await world.after(1) == ["a", "b", "c", "d"]
    await asyncio.gather(*callers)
    await world.gate.close()


async def test_a_closed_gate_serves_nobody() -> None:
    """OB-971: the waker ends with it."""
    world = World(1)
    callers = [world.caller("a", Lane.SWEEP), world.caller("b", Lane.SWEEP)]
    await world.after(0)
    await world.gate.close()
    assert await world.after(100 * SECOND) == ["a"]
    callers[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await callers[1]
