"""The day's universe: attempts, refusals, what is kept."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import structlog

from veritape.kernel.clock import ManualClock
from veritape.kernel.errors import UnavailableError
from veritape.observer import membership
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.recording_day import day_start_ns
from veritape.observer.adapters.timetable import Timetable
from veritape.observer.adapters.universe_desk import UniverseDesk
from veritape.observer.business_days import Calendar
from veritape.observer.membership import Filter
from veritape.observer.sessions import USUAL, clock_seconds
from veritape.replay.symbols import master_archive, master_line, symbol_of
from veritape.wire.kis.master import KOSDAQ, KOSPI

SECOND = 10**9
DAY, NEXT = "20261119", "20261120"
CALENDAR = Calendar({})
COUNT = 10


@pytest.fixture
def told() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as records:
        yield records


class World:
    """A desk, its clock and a broker that serves ``count`` symbols stamped ``stamp``."""

    def __init__(self, folder: Path, day: str = DAY, at: str = "04:00") -> None:
        self.folder = folder / "universe"
        self.day, self.midnight_ns = day, day_start_ns(day)
        self.clock = ManualClock(wall_ns=self.midnight_ns + clock_seconds(at) * SECOND)
        self.timetable = Timetable(USUAL, self.midnight_ns, self.clock)
        self.desk = UniverseDesk(cast("BrokerRest", self), folder, Filter(min_count=5))
        self.count: int | None = COUNT
        self.stamp = (int(day[:4]), int(day[4:6]), int(day[6:]), 4, 30, 0)
        self.attempts: list[str] = []

    async def master(self, path: str) -> bytes:
        layout = KOSPI if "kospi" in path else KOSDAQ
        if layout is KOSPI:
            second = self.timetable.second()
            self.attempts.append(f"{second // 3600:02}:{second // 60 % 60:02}")
        if self.count is None:
            raise UnavailableError("master file: no answer")
        lines = (
            [master_line(symbol_of(f"1{n:05}"), 5_000) for n in range(self.count)] if layout is KOSPI else []
        )
        return master_archive(layout, lines, self.stamp)

    async def universe(self, until: str = "09:30") -> dict[str, Any] | None:
        task = asyncio.create_task(self.desk.of(self.day, CALENDAR, self.timetable))
        while self.timetable.second() < clock_seconds(until) and not task.done():
            for _ in range(5):
                await asyncio.sleep(0)
            self.clock.advance_ns(60 * SECOND)
        return await task


async def test_at_five_and_if_need_be_every_ten_minutes_from_seven_to_ten_to_nine(
    tmp_path: Path, told: list[Any]
) -> None:
    """OB-104: attempts while failed or stale; the times move with the open."""
    world = World(tmp_path)
    assert (await world.universe() or {})["count"] == COUNT
    assert world.attempts == ["05:00"]
    late = World(tmp_path / "late", at="08:22")
    await late.universe()
    assert late.attempts == ["08:22"]
    failing = World(tmp_path / "failing")
    failing.count = None
    assert await failing.universe() is None
    assert failing.attempts[:3] == ["05:00", "07:00", "07:10"]
    assert (failing.attempts[-1], len(failing.attempts)) == ("08:50", 13)
    assert {record["reason"] for record in told if record["event"] == "universe_refused"} == {"no_answer"}


async def test_a_stale_file_is_asked_for_again(tmp_path: Path, told: list[Any]) -> None:
    """OB-104: dated before the last session's close: master_stale; the fresh one is taken when it comes."""
    world = World(tmp_path)
    fresh, world.stamp = world.stamp, (2026, 11, 18, 15, 29, 0)
    task = asyncio.create_task(world.desk.of(DAY, CALENDAR, world.timetable))
    for _ in range(185):
        for _ in range(5):
            await asyncio.sleep(0)
        world.clock.advance_ns(60 * SECOND)
    world.stamp = fresh
    for _ in range(20):
        for _ in range(5):
            await asyncio.sleep(0)
        world.clock.advance_ns(60 * SECOND)
    assert (await task or {})["provenance"] == "fresh"
    assert world.attempts == ["05:00", "07:00", "07:10"]
    assert [record.get("reason") for record in told][:2] == ["master_stale"] * 2


async def test_the_file_is_written_once_and_read_only(tmp_path: Path) -> None:
    """OB-105: canonical JSON, 0444; a second start of the day keeps it, whatever the broker says now."""
    world = World(tmp_path)
    first = await world.universe()
    path = world.folder / f"{DAY}_kr_stocks.json"
    assert (path.stat().st_mode & 0o777, json.loads(path.read_bytes())) == (0o444, first)
    again = World(tmp_path, at="08:00")
    again.count = 7
    assert await again.universe() == first
    assert again.attempts == []


async def test_a_collapsed_list_is_kept_aside_and_yesterdays_symbols_are_used(
    tmp_path: Path, told: list[Any]
) -> None:
    """OB-108: refused/, an event, provenance kept_from; created and deleted stay empty."""
    first = await World(tmp_path).universe()
    world = World(tmp_path, NEXT, "08:45")
    world.count = 6
    kept = await world.universe()
    assert first is not None
    assert kept is not None
    assert world.desk.built == (COUNT, 6), "TL-220: both sizes, though the list was refused"
    assert (kept["provenance"], kept["symbols"], kept["created"]) == (
        f"kept_from:{DAY}",
        first["symbols"],
        [],
    )
    assert kept["blake3"] == membership.digest(kept)
    (refused,) = (world.folder / "refused").iterdir()
    document = json.loads(refused.read_bytes())
    assert (document["count"], refused.name) == (6, f"{NEXT}-{document['blake3'][:8]}.json")
    reasons = [record.get("reason") for record in told if record["event"] == "universe_refused"]
    assert set(reasons) == {"universe_collapsed"}


async def test_a_list_older_than_ten_sessions_is_not_used(tmp_path: Path) -> None:
    """OB-109: no list by ten to nine and no file younger than 10 sessions: none."""
    await World(tmp_path).universe()
    ages = {}
    for day in ("20261203", "20261204"):
        world = World(tmp_path, day, "08:49")
        world.count = None
        ages[day] = await world.universe() is not None
        (world.folder / f"{day}_kr_stocks.json").unlink(missing_ok=True)
    assert ages == {"20261203": True, "20261204": False}


async def test_only_the_newest_universes_are_kept(tmp_path: Path) -> None:
    """OB-111: 400 files."""
    world = World(tmp_path)
    world.folder.mkdir()
    for number in range(400):
        (world.folder / f"{20100000 + number}_kr_stocks.json").write_text(
            json.dumps({"day": str(20100000 + number), "blake3": "", "count": 0, "symbols": []})
        )
    await world.universe()
    names = sorted(path.name for path in world.folder.iterdir())
    assert (len(names), names[0], names[-1]) == (400, "20100001_kr_stocks.json", f"{DAY}_kr_stocks.json")
