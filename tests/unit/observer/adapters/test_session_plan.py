"""Which session is next."""

import asyncio
from pathlib import Path
from typing import cast

import pytest

from veritape.kernel.clock import ManualClock
from veritape.kernel.errors import MisuseError
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.calendar_desk import CalendarDesk
from veritape.observer.adapters.clock_watch import LOOK_NS
from veritape.observer.adapters.recording_day import day_start_ns
from veritape.observer.adapters.session_plan import Planned, SessionPlan
from veritape.observer.sessions import USUAL, Hours

HOUR = 3600 * 10**9


class Desk(CalendarDesk):
    """Remembers when the broker was asked."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "mine.toml"
        self.file.touch()
        self.asked: list[str] = []
        super().__init__(self.file, folder / "answer.json")

    async def ask_broker(self, rest: BrokerRest, today: str) -> None:
        del rest
        self.asked.append(today)


class World:
    def __init__(self, folder: Path, day: str, hour: float) -> None:
        self.clock = ManualClock(wall_ns=day_start_ns(day) + int(hour * HOUR), monotonic_ns=7)
        self.desk = Desk(folder)
        self.plan = SessionPlan(self.desk, cast("BrokerRest", None), self.clock, ask_broker=True)

    async def next(self, only: str | None = None, done: str = "", hours: int = 200) -> Planned:
        task = asyncio.create_task(self.plan.next(only, done))
        for _ in range(hours):
            for _ in range(5):
                await asyncio.sleep(0)
            if task.done():
                break
            self.clock.advance_ns(HOUR)
        return task.result()

    @property
    def now(self) -> tuple[int, float]:
        since_ns = self.clock.wall_ns() - day_start_ns("20261101")
        return 1 + since_ns // (24 * HOUR), since_ns % (24 * HOUR) / HOUR


@pytest.mark.parametrize(
    ("start", "hour", "done", "day", "begins"),
    [
        ("20261118", 3, "", "20261118", (18, 5)),
        ("20261118", 12, "", "20261118", (18, 12)),
        ("20261118", 16, "20261118", "20261119", (19, 6)),
        ("20261120", 16, "20261120", "20261123", (23, 5)),
    ],
)
async def test_sessions_begin_with_the_master_files_four_hours_before_their_open(
    tmp_path: Path, start: str, hour: float, done: str, day: str, begins: tuple[int, float]
) -> None:
    """OB-012, OB-104: today unless it is done, else the next session; an exam day begins at six."""
    world = World(tmp_path, start, hour)
    planned = await world.next(done=done)
    assert (planned.day, world.now) == (day, begins)
    assert world.desk.asked == [day]


@pytest.mark.parametrize(
    ("done", "following"),
    [("20260227", "20260303"), ("20261030", "20261102"), ("20261230", "20270104"), ("20240228", "20240229")],
)
async def test_the_next_session_is_found_over_the_end_of_a_month_and_a_year(
    tmp_path: Path, done: str, following: str
) -> None:
    """OB-012, OB-121: February with a holiday behind it, October, the year's last session, the day of a leap year."""
    world = World(tmp_path, done, 16)
    assert (await world.next(done=done)).day == following


async def test_the_plan_is_made_anew_at_midnight(tmp_path: Path) -> None:
    """OB-125: a Saturday that a row opens on Friday evening is not slept through."""
    world = World(tmp_path, "20261120", 16)
    task = asyncio.create_task(world.plan.next(None, "20261120"))
    for _ in range(5):
        await asyncio.sleep(0)
    world.desk.file.write_text('[[day]]\ndate="2026-11-21"\nkind="session"\nopen="09:00"\nclose="12:00"\n')
    for _ in range(24):
        world.clock.advance_ns(HOUR)
        for _ in range(5):
            await asyncio.sleep(0)
    assert task.result()[:2] == ("20261121", Hours(32_400, 43_200))


async def test_a_day_that_was_closed_meanwhile_is_passed_over(tmp_path: Path) -> None:
    """OB-121, OB-125: the calendar is read again when the wait is over."""
    world = World(tmp_path, "20261118", 4.9)
    task = asyncio.create_task(world.plan.next(None, ""))
    for _ in range(5):
        await asyncio.sleep(0)
    world.desk.file.write_text('[[day]]\ndate = "2026-11-18"\nkind = "closed"\n')
    for _ in range(30):
        world.clock.advance_ns(HOUR)
        for _ in range(5):
            await asyncio.sleep(0)
    assert task.result().day == "20261119"
    assert world.plan.hours("20261118") is None
    assert world.plan.hours("20261120") == USUAL


async def test_a_clock_that_is_set_while_it_waits_misses_no_open(tmp_path: Path) -> None:
    """OB-004, OB-012: a machine that began two hours slow prepares at once when its clock is set; one set back waits on."""
    world = World(tmp_path, "20261118", 3)
    task = asyncio.create_task(world.plan.next(None, ""))
    for step_ns in (-90 * 10**9, 90 * 10**9 + 2 * HOUR):
        for _ in range(5):
            await asyncio.sleep(0)
        assert not task.done()
        world.clock.step_wall_ns(step_ns)
        world.clock.advance_ns(LOOK_NS)
    assert (await task).day == "20261118"
    assert world.now[1] < 5.1


async def test_a_closed_day_that_was_asked_for_is_a_mistake(tmp_path: Path) -> None:
    """OB-971: exit 2."""
    world = World(tmp_path, "20261118", 7)
    with pytest.raises(MisuseError, match="closed on 20261121"):
        await world.next(only="20261121")
    assert (await world.next(only="20261120")).day == "20261120"
