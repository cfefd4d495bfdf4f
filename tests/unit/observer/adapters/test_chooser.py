"""The live side of the engine: everything journalled, restarts go on, the broker's answers come back to it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.broker import Broker, broker, rest_of
from tests.choosing import (
    OPEN,
    SYMBOLS,
    ContextSweeper,
    HandClock,
    Rankings,
    chosen_day,
    live,
    quote,
    settings,
)
from tests.tape import DAY
from tests.waiting import PATIENCE_S, until

from veritape.observer import control
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.chooser import registered_for
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.stream import Stream
from veritape.observer.context import Provenance
from veritape.observer.decisions import Decision
from veritape.observer.frames import Trade
from veritape.observer.lanes import Lane
from veritape.observer.pace import Head
from veritape.observer.quotes import QUOTE_FIELDS
from veritape.observer.reactions import Answer, AnswerReason, Reaction, classify
from veritape.observer.sessions import Hours
from veritape.observer.slots import Command, Outcome, SlotAction, SlotEvent
from veritape.observer.triggers import Trigger
from veritape.wire.kis.frames import BOOK_KRX, TRADES_KRX
from veritape.wire.kis.rest import Call


def test_books_ask_for_two_registrations_a_code(tmp_path: Path) -> None:
    """KIS-162."""
    assert registered_for(settings(tmp_path)) == (TRADES_KRX,)
    assert registered_for(settings(tmp_path, books=True)) == (TRADES_KRX, BOOK_KRX)


async def test_the_log_on_disk_is_what_the_journal_gives(tmp_path: Path) -> None:
    """OB-306, OB-1018, OB-1021: sweeps through the live path; the files replay byte for byte from the journal."""
    clock = HandClock()
    async with live(tmp_path, clock, limit=3) as one:
        assert await one.chooser.begin(one.day) == []
        for number in range(5):
            await clock.move_to(OPEN + 600 * number)
            shares = dict.fromkeys(SYMBOLS, 10000 * number)
            if number == 3:
                shares |= dict.fromkeys(["000001", "000002", "000003", "000004"], 90_000)
            one.chooser.swept(OPEN + 600 * number, (quote(code, total) for code, total in shares.items()))
        assert one.stream.slots.wanted == ["000001", "000002", "000003"]
        await clock.move_to(OPEN + 23_400 + 600)
        await one.chooser.finish()
        names = sorted(path.name for path in (tmp_path / "export").glob("decisions_*"))
        assert names[:2] == [f"decisions_{DAY}_0800.jsonl", f"decisions_{DAY}_0900.jsonl"]
        content = b"".join((tmp_path / "export" / name).read_bytes() for name in names)
        assert content == await one.log()
        [turned_away] = (tmp_path / "export").glob("overflow_*")
        assert json.loads(turned_away.read_bytes())["code"] == "000004"
        one.book.index.database.flush()
        [row] = one.book.index.database.rows(control.OVERFLOW)
        assert (row["code"], row["reason"], row["shares"]) == ("000004", "hysteresis", 0)
        assert one.chooser.fired == {Trigger.VOLUME_SURGE: 4}
        assert one.chooser.decided == {Decision.ALLOCATED: 3, Decision.OVERFLOW: 1}
        observed = {row["name"] for row in one.book.index.database.rows(control.OBSERVATIONS)}
        assert observed == {"overflow_shares", "overflow_value_krw"}


async def test_a_restart_within_the_session_is_where_it_was(tmp_path: Path) -> None:
    """OB-351, OB-342: the same wanted codes in the same order, the learned limit and refused codes too."""
    clock = HandClock()
    async with live(tmp_path, clock, Rankings("000003", "000001", "000002", "000009"), limit=5) as one:
        await one.chooser.begin(one.day)
        await clock.move_to(OPEN)
        for ranking in ("000003", "000001", "000002", "000009"):
            assert ranking not in one.stream.slots.wanted
        running = asyncio.create_task(one.chooser.run(ContextSweeper([])))  # type: ignore[arg-type]
        await clock.move_to(OPEN + 5)
        wanted = list(one.stream.slots.wanted)
        assert wanted == ["000003", "000001", "000002", "000009"]
        slots = one.stream.slots
        for _ in range(4):
            await clock.move_to(clock.second + 0.2)
            assert isinstance(slots.next_command(clock.monotonic_ns()), Command)
        one.stream._apply(slots.happened("000001", SlotEvent.REFUSED), None)  # type: ignore[arg-type]
        for code in ("000003", "000002"):
            one.stream._apply(slots.happened(code, SlotEvent.REGISTERED), None)  # type: ignore[arg-type]
        one.stream._apply(slots.happened("000009", SlotEvent.LIMIT), None)  # type: ignore[arg-type]
        assert one.chooser.engine.wanted == ["000003", "000002"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        held = dict(one.chooser.engine.seats.held)
        one.book.index.database.flush()
        states = {row["code"]: row["state"] for row in one.book.index.database.rows(control.SLOTS)}
        assert states == {"000003": "active", "000001": "free", "000002": "active", "000009": "free"}
        assert one.book.index.database.rows(control.OBSERVATIONS, name="registrations")[0]["value"] == "2"
    (tmp_path / "control.db").unlink()
    async with live(tmp_path, clock, Rankings(), limit=5) as again:
        kept = again.book.index.database.rows(control.WANTED, day=DAY)
        assert await again.chooser.begin(again.day) == ["000003", "000002"]
        assert again.chooser.engine.seats.held == held
        assert [row["code"] for row in kept] == ["000003", "000002"]
        assert (again.stream.slots.limit, again.stream.slots.refused) == (2, {("000001", TRADES_KRX)})
        rows = again.book.index.database.rows(control.WANTED, day=DAY)
        assert [row["code"] for row in rows] == ["000003", "000002"]
        turned_away = again.book.index.database.rows(control.OVERFLOW)
        assert [(row["code"], row["reason"]) for row in turned_away] == [("000009", "limit")]
        assert (await again.log()).count(b"\n") == again.chooser.engine.evaluations


async def test_yesterdays_codes_hold_the_slots_before_the_open(tmp_path: Path) -> None:
    """OB-391, OB-351: from control.db's wanted list of the newest earlier day, pinned ones first."""
    clock = HandClock()
    async with live(tmp_path, clock, limit=4, manual=["000050"]) as one:
        rows = [
            {"day": day, "priority": place, "code": code, "pinned": 0}
            for day, codes in (
                ("20131003", ["000040"]),
                ("20131004", ["000009", "000008", "gone12", "000007"]),
            )
            for place, code in enumerate(codes)
        ]
        one.book.index.database.put(control.WANTED, *rows)
        one.book.index.database.flush()
        assert sorted(await one.chooser.begin(one.day)) == ["000007", "000008", "000009", "000050"]
        assert one.stream.slots.wanted[0] == "000050"


async def test_rankings_are_asked_twice_a_minute_within_the_session(tmp_path: Path) -> None:
    """OB-302: 2 calls a minute, from the open on; what they rank takes free slots."""
    clock, rest = HandClock(), Rankings("000001")
    async with live(tmp_path, clock, rest) as one:
        await one.chooser.begin(one.day)
        running = asyncio.create_task(one.chooser.run(ContextSweeper([])))  # type: ignore[arg-type]
        await clock.move_to(OPEN - 1)
        assert rest.asked == []
        await clock.move_to(OPEN + 179)
        assert [second for second, _ in rest.asked] == [
            OPEN,
            OPEN,
            OPEN + 60,
            OPEN + 60,
            OPEN + 120,
            OPEN + 120,
        ]
        assert {tr_id for _, tr_id in rest.asked} == {"FHPST01710000", "FHPST01700000"}
        assert one.stream.slots.wanted == ["000001"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_ranking_that_is_not_served_is_not_asked_for_again(tmp_path: Path) -> None:
    """KIS-015, KIS-040: EGW02004 on paper accounts, OPSQ0002 where the call is unknown."""
    clock, rest = HandClock(OPEN), Rankings(refuse="EGW02004")
    async with live(tmp_path, clock, rest) as one:
        await one.chooser.begin(one.day)
        running = asyncio.create_task(one.chooser.run(ContextSweeper([])))  # type: ignore[arg-type]
        await clock.move_to(OPEN + 600)
        assert len(rest.asked) == 2
        assert len([line for line in one.said if "not served (EGW02004)" in line]) == 2
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_an_unreadable_ranking_changes_nothing(tmp_path: Path) -> None:
    """OB-991."""
    clock, rest = HandClock(OPEN), Rankings()

    async def broken(_call: Call, _parameters: Any, _lane: Any) -> Answer:
        return Answer(Reaction.RETRY, "", AnswerReason.TIMEOUT, {})

    rest.quotation = broken  # type: ignore[assignment]
    async with live(tmp_path, clock, rest) as one:
        await one.chooser.begin(one.day)
        running = asyncio.create_task(one.chooser.run(ContextSweeper([])))  # type: ignore[arg-type]
        await clock.move_to(OPEN + 61)
        assert one.stream.slots.wanted == []
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("start", "answered", "swept", "provenance", "first"),
    [
        (OPEN - 300, set(SYMBOLS), False, Provenance.CONTEXT, "000005"),
        (OPEN - 300, {"000001"}, True, Provenance.STALE_CONTEXT, "000007"),
        (OPEN - 300, set[str](), False, Provenance.CONTEXT_FAILED, None),
        (OPEN + 3_000, set(SYMBOLS), False, Provenance.LATE_START, "000005"),
    ],
)
async def test_the_first_choice_and_its_failures(
    tmp_path: Path, start: int, answered: set[str], swept: bool, provenance: Provenance, first: str | None
) -> None:
    """OB-392, OB-394: from the context sweep at open + 30 min - 10 s, else the grid's, else not; at once when late."""
    clock = HandClock(start)
    sweeper = ContextSweeper(answered)
    async with live(tmp_path, clock, Rankings(), limit=2) as one:
        await one.chooser.begin(one.day)
        running = asyncio.create_task(one.chooser.run(sweeper))  # type: ignore[arg-type]
        if swept:
            await clock.move_to(OPEN + 1_200)
            rows = [quote(code, 500_000 if code == "000007" else 10) for code in SYMBOLS]
            one.chooser.swept(OPEN + 1_200, rows)
        if start < OPEN:
            await clock.move_to(OPEN + 1_799)
            assert one.stream.slots.wanted == []
        await clock.move_to(max(start, OPEN + 1_800) + 0.5)
        [cycle] = sweeper.cycles
        assert cycle.kind.value == "context"
        assert one.stream.slots.wanted[:1] == ([] if first is None else [first])
        assert any(provenance.value in line for line in one.said)
        assert f'"reason":"{provenance.value}"'.encode() in (await one.log()) or first is None
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_no_choice_in_a_session_that_ends_before_it(tmp_path: Path) -> None:
    """OB-392: a shortened day."""
    for start, close in ((OPEN - 300, OPEN + 1_800), (OPEN + 1_795, OPEN + 1_800)):
        clock = HandClock(start)
        async with live(tmp_path / str(start), clock, Rankings()) as one:
            await one.chooser.begin(chosen_day(clock, Hours(OPEN, close)))
            sweeper = ContextSweeper(SYMBOLS)
            await one.chooser._choose(sweeper)  # type: ignore[arg-type]
            assert sweeper.cycles == []


async def test_the_own_streams_pace_and_ends_of_lifetimes_reach_the_engine(tmp_path: Path) -> None:
    """OB-302, OB-305: velocity at most every ten seconds a code; an expiry evaluation when a lifetime ends."""
    clock = HandClock(OPEN)
    async with live(tmp_path, clock, limit=2, manual=["000001"]) as one:
        await one.chooser.begin(one.day)
        running = asyncio.create_task(one.chooser.run(None))
        for second in range(30):
            one.stream.heard(Head(TRADES_KRX, "000001", 12))
            one.stream.heard(Head(BOOK_KRX, "000001", 99))
            one.stream.heard(Head(TRADES_KRX, "000002", 1))
            await clock.move_to(OPEN + second + 1)
        assert one.chooser.decided[Decision.KEPT] == 1
        await clock.move_to(OPEN + 400)
        causes = [json.loads(line)["cause"] for line in (await one.log()).splitlines()]
        assert causes[:4] == ["configured", "velocity", "velocity", "velocity"]
        assert "expiry" in causes
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_line_that_is_watched_again_is_held_against_a_quote(tmp_path: Path) -> None:
    """OB-343, OB-211: one quote when a code is subscribed: what a line missed while it was not watched shows at once."""
    clock = HandClock(OPEN)

    asked = list[str]()

    class Quotes:
        async def quotation(self, _call: Call, query: dict[str, str], lane: Lane) -> Answer:
            assert lane is Lane.BASELINE
            asked.extend(value for name, value in query.items() if "ISCD" in name)
            numbers = dict.fromkeys(QUOTE_FIELDS, "10000") | {"acml_vol": "70"}
            rows = [{"inter_shrn_iscd": code, **numbers} for code in asked]
            return classify(200, json.dumps({"rt_cd": "0", "msg_cd": "MCA00000", "output": rows}).encode())

    async with live(tmp_path, clock, Quotes(), manual=["000001", "000002"]) as one:
        await one.chooser.begin(one.day)
        running = asyncio.create_task(one.chooser.run(None))
        await clock.move_to(OPEN + 1)
        recorder = one.book.recording.recorder
        line = recorder.day(DAY).line("000001")
        line.receive(trade("000001"), 0, 1, 0)
        recorder.day(DAY).line("000002")
        for code in ("000001", "000002"):
            one.chooser._changed(Outcome(code, SlotAction.OPEN_WATCH))
        await clock.move_to(OPEN + 3)
        assert asked == ["000001"]
        assert recorder.suspicions[DAY, "000001"][0] == 70
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def trade(code: str) -> Trade:
    return Trade(code, OPEN, 10_000, 50, 50, 500_000, 0, 1, 1, True, DAY, "20/0/2")


async def test_velocity_can_be_off(tmp_path: Path) -> None:
    """OB-981: triggers.trade_velocity.enabled."""
    clock = HandClock(OPEN)
    async with live(tmp_path, clock, triggers={"trade_velocity": {"enabled": False}}) as one:
        await one.chooser.begin(one.day)
        for _ in range(200):
            one.stream.heard(Head(TRADES_KRX, "000001", 11))
        one.chooser._tell_velocity()
        assert (await one.log()).count(b'velocity"') == 1


async def test_hours_of_the_log_appear_while_the_day_runs(tmp_path: Path) -> None:
    """OB-722: at window end + 5 s, of durable inputs."""
    clock = HandClock(OPEN + 3_500)
    async with live(tmp_path, clock, manual=["000001"]) as one:
        await one.chooser.begin(one.day)
        running = asyncio.create_task(one.chooser.run(None))
        await clock.move_to(OPEN + 3_610)
        path = tmp_path / "export" / f"decisions_{DAY}_0900.jsonl"
        await until(path.exists)
        assert b'"reason":"manual"' in path.read_bytes()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_the_wanted_list_changes_what_the_broker_streams(tmp_path: Path) -> None:
    """OB-343, OB-345: against the replayed broker: a code that is chosen is registered, one that is not is released."""
    async with broker(seconds=60, speed=60.0) as one, rest_of(one, tmp_path) as (rest, clock):
        await _follow_the_wishes(one, rest, clock, tmp_path)


async def _follow_the_wishes(one: Broker, rest: BrokerRest, clock: Any, data: Path) -> None:
    recording = Recording(data)
    options = JournalOptions(recording.journal_folder, reserve_bytes=0)
    book = Daybook(recording, options, clock, lambda _: None)
    stream = Stream(one.settings().ws_url, rest, book, clock, 41, 60)
    task = asyncio.create_task(stream.run(["990001"]))
    async with asyncio.timeout(PATIENCE_S):
        await until(lambda: stream.slots.active == ["990001"])
        stream.want(["990003", "990002"])
        await until(lambda: sorted(stream.slots.active) == ["990002", "990003"])
    [socket] = one.exchange.sockets
    assert {code for _, code in socket.registered} == {"990002", "990003"}
    await stream.finish()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await book.close()
