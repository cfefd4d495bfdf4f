"""Backups, drills and the retention without anybody asking."""

import asyncio
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.backup_world import World, world
from tests.recorded_day import record_day
from tests.waiting import PATIENCE_S

from veritape.kernel.clock import NANOSECONDS, ManualClock
from veritape.observer.adapters.backup.chain import read_chain
from veritape.observer.adapters.backup.records import Records
from veritape.observer.adapters.backup.source import Source
from veritape.observer.adapters.backup.targets import open_target
from veritape.observer.adapters.backup.upkeep import Interrupted, Upkeep
from veritape.observer.backup import MINUTE_NS
from veritape.observer.settings import BackupSettings, RetentionSettings
from veritape.replay.schedule import midnight_ns

HOUR_NS = 60 * MINUTE_NS


class Events:
    """A log that remembers."""

    def __init__(self) -> None:
        self.all: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.all.append((event, fields))

    warning = info

    def names(self) -> list[str]:
        names = [event for event, _ in self.all]
        self.all.clear()
        return names


class Kept:
    """A recording of one day, kept by a clock that the test moves."""

    def __init__(self, folder: Path, *targets: str, days: int = 1) -> None:
        self.one: World = world(folder, days=days)
        self.clock = ManualClock(wall_ns=midnight_ns("20131007") + 16 * HOUR_NS)
        self.log = Events()
        self.indexed = self.sealed = 0
        urls = targets or (self.one.target.url,)
        backups = BackupSettings(targets=urls)
        source = Source(self.one.data)
        self.upkeep = Upkeep(
            source, backups, RetentionSettings(), "0.1.0", self.clock, self.log, self.seal, self.index
        )
        self.records = Records(self.one.data)
        self.records.change(target_ns=self.clock.wall_ns())
        self.targets = [open_target(url) for url in urls]

    async def seal(self) -> None:
        self.sealed += 1

    def index(self) -> None:
        self.indexed += 1

    def chain(self) -> list[str]:
        """Return the days at the target, newest first."""
        return [one.manifest.day for one in read_chain(self.one.target).written]

    async def at(self, day: str, hours: float) -> list[str]:
        """Look what is due at a time of day; return the events."""
        self.clock.step_wall_ns(midnight_ns(day) + int(hours * HOUR_NS) - self.clock.wall_ns())
        await self.upkeep._once(self.targets)
        return self.log.names()


async def test_the_backup_runs_at_nine_once_a_day(tmp_path: Path) -> None:
    """OB-751: at 21:00 Asia/Seoul, once a day."""
    kept = Kept(tmp_path)
    assert await kept.at("20131007", 20.99) == []
    assert await kept.at("20131007", 21) == ["backup_made"]
    assert (kept.sealed, kept.indexed, kept.upkeep.state.backup_ns) == (
        1,
        1,
        midnight_ns("20131007") + 21 * HOUR_NS,
    )
    assert await kept.at("20131008", 20.99) == []
    record_day(kept.one.data, "20131008")
    assert await kept.at("20131008", 21) == ["backup_made"]
    assert kept.one.latest()[0] == "20131008-1"
    assert kept.one.drill().passed


async def test_it_is_tried_again_until_it_succeeds(tmp_path: Path) -> None:
    """OB-751, OB-991: unreachable: event, 5, 15, 60 minutes, hourly; a missed day is done with the next; nothing is deleted."""
    kept = Kept(tmp_path)
    blocked = tmp_path / "target"
    blocked.write_bytes(b"in the way")
    minutes, waits = 0, []
    for minute in range(180):
        if await kept.at("20131007", 21 + minute / 60):
            waits.append(minute - minutes)
            minutes = minute
    assert waits == [0, 5, 15, 60, 60]
    assert kept.upkeep.state.failing
    record_day(kept.one.data, "20131008")
    blocked.unlink()
    assert (await kept.at("20131008", 21))[0] == "backup_made"
    assert kept.chain() == ["20131008", "20131007"]
    assert not kept.upkeep.state.failing


async def test_the_retention_follows_the_backup(tmp_path: Path) -> None:
    """OB-731, OB-733: after three days, with an event for each file; what is blocked is told."""
    kept = Kept(tmp_path)
    assert await kept.at("20131007", 21) == ["backup_made"]
    assert await kept.at("20131009", 21) == ["backup_made"]
    events = await kept.at("20131010", 21)
    assert events == ["backup_made", "retention_deleted"]
    assert list(kept.one.data.rglob("*.vtj")) == []
    for minute in range(3):
        (kept.one.data / "export" / f"scalp_20131007_090{minute}.jsonl").write_bytes(bytes([minute]))
    kept.upkeep.backups = BackupSettings(targets=(kept.one.target.url,), verify="sample:1")
    assert "retention_blocked" in await kept.at("20131017", 21)


async def test_a_drill_runs_every_week_and_its_failure_is_told(tmp_path: Path) -> None:
    """OB-762: weekly; the time of the last good drill is exposed; a failed one waits for its next turn."""
    kept = Kept(tmp_path)
    seen = {day: await kept.at(f"201310{day:02}", 21) for day in range(7, 16)}
    assert [day for day, events in seen.items() if "drill_passed" in events] == [14]
    assert kept.upkeep.state.drill_ns == midnight_ns("20131014") + 21 * HOUR_NS
    kept.one.damage("09.parquet")
    assert "drill_failed" in await kept.at("20131021", 22)
    assert kept.upkeep.state.failing
    assert "drill_failed" not in await kept.at("20131022", 22)
    kept.one.target.write("LATEST", b"{}", replace=True)
    assert "drill_failed" in await kept.at("20131029", 22)


async def test_a_command_that_holds_the_folder_is_waited_for(tmp_path: Path) -> None:
    """OB-751: what the operator's command did is not done again."""
    kept = Kept(tmp_path)
    with kept.records.alone():
        assert await kept.at("20131007", 21) == ["backup_failed"]
    kept.records.change(backup_ns=kept.clock.wall_ns())
    assert await kept.at("20131007", 21.5) == []


async def test_it_sleeps_between_and_stops_when_the_process_does(tmp_path: Path) -> None:
    """OB-971: a backup that runs stops at the next object; without a target nothing is kept; one disk is told."""
    idle = Kept(tmp_path / "idle")
    idle.upkeep.backups = BackupSettings()
    await asyncio.wait_for(idle.upkeep.run(), PATIENCE_S)
    kept = Kept(tmp_path / "kept")
    kept.records.change(target_ns=0)
    running = asyncio.create_task(kept.upkeep.run())
    await asyncio.sleep(0)
    assert kept.log.names() == ["backup_on_same_disk"]
    assert kept.records.state().target_ns == kept.clock.wall_ns()
    kept.clock.advance_ns(60 * NANOSECONDS)
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(Interrupted):
        kept.upkeep._told("sent", 1)
    await kept.upkeep._in_thread(kept.upkeep._backup, kept.targets)
    assert kept.log.names() == []


async def test_a_full_disk_and_a_drill_that_cannot_be_had_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OB-732, OB-762: 80 % is a warning, at 90 % young days go early; a target that is away fails the drill."""
    kept = Kept(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(used=80, total=100))
    assert await kept.at("20131007", 21) == ["backup_made", "disk_filling"]
    assert list(kept.one.data.rglob("*.vtj")) != []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(used=90, total=100))
    assert await kept.at("20131008", 21) == ["backup_made", "retention_deleted", "disk_filling"]
    assert list(kept.one.data.rglob("*.vtj")) == []
    (tmp_path / "target").rename(tmp_path / "away")
    (tmp_path / "target").write_bytes(b"in the way")
    assert "drill_failed" in await kept.at("20131015", 22)
    assert kept.records.state().drill_failed_ns == kept.clock.wall_ns()
