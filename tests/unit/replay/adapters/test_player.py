"""Playing a day: what is sent, who is waited for, who is cut."""

import asyncio
import json
from itertools import pairwise
from pathlib import Path

import pytest
from tests.waiting import PATIENCE_S, until

from veritape.kernel.clock import SystemClock
from veritape.replay.accounts import Accounts
from veritape.replay.adapters.outbox import CUT_BYTES, Outbox, Outgoing
from veritape.replay.adapters.player import BEHIND_BYTES, Player, PlayOptions
from veritape.replay.faults import parse
from veritape.replay.followers import LAG_NS, Question
from veritape.replay.market import Market
from veritape.replay.schedule import session
from veritape.replay.series import Row, build
from veritape.replay.sockets import CUT_NS, Exchange
from veritape.replay.widths import Widths

PLACE = ("H0STCNT0", "990001")


class Fixture:
    def __init__(
        self,
        tmp_path: Path,
        *,
        faults: tuple[str, ...] = (),
        virtual: bool = True,
        speed: float | None = None,
    ) -> None:
        rows = [Row(34_200_000 + n * 30, 100, 1, auction=False) for n in range(100)]
        self.exchange = Exchange(Accounts(), 7)
        options = PlayOptions(
            speed, virtual, wait_registered=True, widths=Widths(), truth=str(tmp_path / "truth-{day}.jsonl")
        )
        self.player = Player(options, self.exchange, parse(faults), SystemClock())
        played = session("20131007", until_ms=32_400_000 + 3000)
        self.player.load(played, Market([build("990001", rows)], "20131007"))
        self.truth = tmp_path / "truth-20131007.jsonl"
        self.unsent = 0
        self.aborted = False

    def watch(self) -> Outbox:
        socket = self.exchange.connect(0)
        socket.registered.add(PLACE)
        box = Outbox(socket, self.abort, lambda: self.unsent)
        self.player.outboxes[socket] = box
        return box

    def abort(self) -> None:
        self.aborted = True

    def end(self) -> dict[str, int]:
        totals: dict[str, int] = json.loads(self.truth.read_text().splitlines()[-1])["codes"]["990001"]
        return totals


async def play_until_told(player: Player, frames: int) -> None:
    task = asyncio.create_task(player.play(lambda ms, sent: None))
    await until(lambda: player.frames_sent >= frames)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_every_frame_reaches_the_watcher_in_order(tmp_path: Path) -> None:
    """OB-808, OB-809: frames go to who registered; the truth file is closed even when the play is cut short."""
    fixture = Fixture(tmp_path)
    box = fixture.watch()
    await play_until_told(fixture.player, 100)
    volumes = [one.text.split("^")[13] for one in box.queue]
    assert volumes == [str(n) for n in range(1, 101)]
    assert fixture.end() | {"value_krw": 0} == {
        "trades": 100, "uncounted": 0, "shares": 100, "value_krw": 0, "sells": 0, "buys": 100, "trades_sent": 100,
    }  # fmt: skip


async def test_dropped_frames_happened_all_the_same(tmp_path: Path) -> None:
    """OB-852: a fault never touches the truth."""
    fixture = Fixture(tmp_path, faults=("drop=0.5",))
    box = fixture.watch()
    dropped = sum(parse(["drop=0.5"]).strikes("drop", number, 0) for number in range(1, 101))
    await play_until_told(fixture.player, 100 - dropped)
    await asyncio.sleep(0.05)
    assert len(box.queue) == 100 - dropped
    assert fixture.end()["trades_sent"] == 100 - dropped


async def test_the_tape_waits_for_its_watchers(tmp_path: Path) -> None:
    """OB-813: it starts once every code is registered; meanwhile the clock walks at real speed and stops before the open."""
    fixture = Fixture(tmp_path)
    task = asyncio.create_task(fixture.player.play(lambda ms, sent: None))
    await asyncio.sleep(0.05)
    assert fixture.player.clock_document()["speed"] == 1.0
    assert fixture.player.tape.now_ms < 32_400_000
    fixture.watch()
    await until(lambda: fixture.player.frames_sent)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_virtual_tape_waits_for_a_reader_that_is_behind(tmp_path: Path) -> None:
    """OB-810: tape time waits while a registered session has more than 256 KiB unsent."""
    fixture = Fixture(tmp_path, speed=1000)
    fixture.unsent = BEHIND_BYTES + 1
    fixture.watch()
    task = asyncio.create_task(fixture.player.play(lambda ms, sent: None))
    await asyncio.sleep(0.1)
    assert fixture.player.frames_sent == 0
    fixture.unsent = 0
    await until(lambda: fixture.player.frames_sent >= 100)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_virtual_tape_waits_for_a_follower_that_stands_still(tmp_path: Path) -> None:
    """OB-810: it waits while the client's connection lives, and goes on when it ends."""
    fixture, ended = Fixture(tmp_path, speed=1000), asyncio.Event()
    fixture.watch()
    told = fixture.player.follow("recorder", ended.is_set, None)
    assert told["day"] == "20131007"
    asked_ns = SystemClock().monotonic_ns() - LAG_NS
    fixture.player.followers.asked("recorder", Question(0, asked_ns, ended.is_set))
    task = asyncio.create_task(fixture.player.play(lambda ms, sent: None))
    async with asyncio.timeout(PATIENCE_S):
        while not fixture.player.running:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    assert fixture.player.frames_sent == 0
    ended.set()
    async with asyncio.timeout(PATIENCE_S):
        while fixture.player.frames_sent < 100:
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_jump_to_the_open_is_no_time_to_answer_a_heartbeat_in(tmp_path: Path) -> None:
    """KIS-109, OB-810, OB-813: a heartbeat on its way when the last code is registered does not cut the connection."""
    fixture = Fixture(tmp_path, speed=60)
    box = fixture.watch()
    pinged_ns = box.socket.last_frame_ns = box.socket.pinged_ns = fixture.player.broker_ns()
    task = asyncio.create_task(fixture.player.play(lambda ms, sent: None))
    async with asyncio.timeout(PATIENCE_S):
        while not fixture.player.running:
            await asyncio.sleep(0.001)
    jumped_ns = box.socket.pinged_ns - pinged_ns
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert jumped_ns > CUT_NS
    assert not fixture.exchange.must_cut(box.socket, pinged_ns + jumped_ns + CUT_NS - 1)


async def test_a_night_is_no_time_to_answer_a_heartbeat_in(tmp_path: Path) -> None:
    """KIS-109, OB-810: who is connected when the next day is loaded is not cut for a heartbeat of the day before."""
    fixture = Fixture(tmp_path, speed=60)
    box = fixture.watch()
    box.socket.pinged_ns = before_ns = fixture.player.broker_ns()
    fixture.player.load(session("20131008", until_ms=32_400_000 + 3000), fixture.player.market)
    assert fixture.exchange.must_cut(box.socket, fixture.player.broker_ns())
    fixture.player.jumped_from(before_ns)
    assert not fixture.exchange.must_cut(box.socket, fixture.player.broker_ns())


async def test_the_tape_steps_no_further_than_its_followers_let_it(tmp_path: Path) -> None:
    """OB-205, OB-810: at --speed max a client that sweeps is asked again before its next call is due."""
    fixture = Fixture(tmp_path)
    fixture.watch()
    seen_ms = []

    def ask() -> None:
        fixture.player.follow("recorder", lambda: False, 50)
        seen_ms.append(fixture.player.tape.now_ms)

    ask()
    task = asyncio.create_task(fixture.player.play(lambda ms, sent: None))
    async with asyncio.timeout(PATIENCE_S):
        while fixture.player.frames_sent < 100:
            ask()
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    steps = {after - before for before, after in pairwise(seen_ms) if before >= 32_400_000}
    assert max(steps) == 50


async def test_time_goes_on_after_the_last_day(tmp_path: Path) -> None:
    """OB-810, OB-813: at real speed, so that a follower that comes late finds a clock that moves."""
    fixture = Fixture(tmp_path, speed=60)
    before_ns = fixture.player.broker_ns()
    task = asyncio.create_task(fixture.player.walk_on())
    async with asyncio.timeout(PATIENCE_S):
        while fixture.player.broker_ns() < before_ns + 10_000_000:
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert fixture.player.clock_document()["speed"] == 1.0


async def test_a_connection_far_behind_is_cut(tmp_path: Path) -> None:
    """KIS-223: beyond 8 MiB of unsent data its socket is cut."""
    fixture = Fixture(tmp_path, virtual=False)
    box = fixture.watch()
    box.put("x")
    assert not fixture.aborted
    fixture.unsent = CUT_BYTES
    box.put("x")
    assert fixture.aborted
    assert await box.take() == Outgoing("x")


@pytest.mark.parametrize("virtual", [True, False])
async def test_the_broker_clock_is_the_tape_only_when_virtual(tmp_path: Path, virtual: bool) -> None:
    """OB-810: without --virtual ages, limits and dates are real time."""
    player = Fixture(tmp_path, virtual=virtual).player
    assert (player.broker_ns() < 1_400_000_000 * 10**9) == virtual


async def test_idle_connections_hear_a_heartbeat(tmp_path: Path) -> None:
    """KIS-109: after 10 s without a frame; unanswered for 100 s the connection is cut."""
    fixture = Fixture(tmp_path)
    box = fixture.watch()
    beat = asyncio.create_task(fixture.player.beat())
    async with asyncio.timeout(PATIENCE_S):
        assert "PINGPONG" in (await box.take()).text
        fixture.player.tape.now_ns += 100 * 10**9
        await until(lambda: fixture.aborted)
    beat.cancel()
    await asyncio.gather(beat, return_exceptions=True)
