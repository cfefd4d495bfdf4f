"""Waiting for times that may move."""

import asyncio

from veritape.kernel.clock import ManualClock
from veritape.observer.adapters.timetable import Timetable
from veritape.observer.sessions import Hours, clock_seconds

SECOND = 1_000_000_000
USUAL = Hours(clock_seconds("09:00"), clock_seconds("15:30"))
SHORT = Hours(clock_seconds("09:00"), clock_seconds("12:00"))
LATE = Hours(clock_seconds("10:00"), clock_seconds("16:30"))


class Day:
    """A day whose calendar may be edited."""

    def __init__(self, start: str = "08:00") -> None:
        self.clock = ManualClock(wall_ns=clock_seconds(start) * SECOND, monotonic_ns=5)
        self.opinion: Hours | None = USUAL
        self.noted: list[Hours] = []
        self.timetable = Timetable(USUAL, 0, self.clock, lambda: self.opinion, self.noted.append)
        self.reached: list[str] = []

    def waiter(self, name: str, after_open: int = 0, after_close: int | None = None) -> "asyncio.Task[None]":
        async def wait() -> None:
            await self.timetable.until(
                lambda hours: (
                    hours.open_s + after_open if after_close is None else hours.close_s + after_close
                )
            )
            second = self.timetable.second()
            self.reached.append(f"{name} {second // 3600:02}:{second // 60 % 60:02}")

        return asyncio.create_task(wait())

    async def until(self, clock: str) -> list[str]:
        for _ in range(5):
            await asyncio.sleep(0)
        while self.timetable.second() < clock_seconds(clock):
            self.clock.advance_ns(60 * SECOND)
            for _ in range(5):
                await asyncio.sleep(0)
        return self.reached


async def test_without_edits_everything_happens_at_its_time() -> None:
    """OB-124: open and close, exactly."""
    day = Day()
    tasks = [day.waiter("open"), day.waiter("anchor", after_close=180)]
    assert await day.until("16:00") == ["open 09:00", "anchor 15:33"]
    assert day.noted == []
    await asyncio.gather(*tasks)


async def test_an_edit_takes_effect_at_the_next_boundary_of_a_phase() -> None:
    """OB-125: an earlier close edited at 11:00 is known at 15:20, one edited before the open at the open."""
    day = Day()
    tasks = [day.waiter("close", after_close=0)]
    await day.until("11:00")
    day.opinion = SHORT
    await day.until("15:19")
    assert day.reached == []
    assert await day.until("15:21") == ["close 15:20"]
    assert day.noted == [SHORT]
    await asyncio.gather(*tasks)


async def test_a_day_that_is_shifted_before_its_open_moves_as_a_whole() -> None:
    """OB-125, OB-124: open and close move; who waited for the old open waits on."""
    day = Day()
    tasks = [day.waiter("open"), day.waiter("close", after_close=0)]
    await day.until("08:30")
    day.opinion = LATE
    assert await day.until("17:00") == ["open 10:00", "close 16:30"]
    await asyncio.gather(*tasks)


async def test_a_day_that_becomes_closed_records_nothing_more() -> None:
    """OB-125: before the open it is cancelled; afterwards the next boundary is its close."""
    before, after = Day(), Day()
    tasks = [before.waiter("open"), after.waiter("close", after_close=180)]
    await before.until("08:30")
    before.opinion = None
    assert await before.until("09:30") == ["open 08:55"]
    assert before.timetable.is_cancelled
    await after.until("13:00")
    after.opinion = None
    assert await after.until("16:00") == ["close 15:23"]
    assert (after.timetable.is_cancelled, after.timetable.hours.close_s) == (False, clock_seconds("15:20"))
    await asyncio.gather(*tasks)


async def test_after_the_close_an_edit_changes_nothing() -> None:
    """OB-125: the day is being closed."""
    day = Day()
    tasks = [day.waiter("after", after_close=600)]
    await day.until("15:31")
    day.opinion = LATE
    assert await day.until("17:00") == ["after 15:40"]
    await asyncio.gather(*tasks)
