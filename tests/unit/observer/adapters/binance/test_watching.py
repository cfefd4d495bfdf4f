"""The recorder at work against the captures' server: complete, lossy, disconnected, refused, over midnight."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.binance import CODE, FIRST, FIRST_ID, LAST_ID, MIDNIGHT_ID, SECOND, SPLIT_ID, Venue, trades
from tests.binance_run import FastClock, running
from tests.binance_server import BinanceServer, Faults, trade_places
from tests.waiting import until

from veritape.observer.adapters.binance.recording import BinanceRecording
from veritape.observer.adapters.control_database import ControlDatabase
from veritape.observer.audit import Status
from veritape.observer.binance.lines import Totals
from veritape.observer.binance.statements import state
from veritape.observer.control import SEALS
from veritape.observer.gaps import Cause

QUICK = {"after_seconds": 1}
TRADES_AND_BOOKS = {"book_ticker": False}


def truth(*, lost: set[int] | None = None) -> list[Totals]:
    sums = [Totals(0, 0, 0), Totals(0, 0, 0)]
    for one in trades(FIRST, SECOND):
        if one.trade_id not in (lost or set()):
            day = int(one.trade_id >= MIDNIGHT_ID)
            sums[day] = sums[day].plus(Totals(1, one.quantity, one.price * one.quantity))
    return sums


def audited(data: Path) -> BinanceRecording:
    """Return the recording as anyone reads it from the files."""
    again = BinanceRecording(data)
    again.load()
    return again


async def test_both_captures_are_recorded_sealed_and_closed_over_midnight(tmp_path: Path) -> None:
    """OB-1026, OB-901, OB-905, OB-906: every trade, the first day closed and audited while the second is recorded."""
    clock = FastClock(60)
    server = BinanceServer(Venue(), Faults())
    await server.start()
    async with running(server, tmp_path, clock, backfill=QUICK, binance=TRADES_AND_BOOKS) as run:
        await server.ended.wait()
        await run.daybook.flush()
        await until(lambda: f"day {FIRST} is over: every line closes" in run.said)
    await server.stop()
    assert (run.applied.recorded, run.applied.holes, run.applied.duplicates) == (19_904, 0, 0)
    assert server.pongs == 1
    audit = json.loads((tmp_path / "export" / f"audit_{FIRST}.json").read_bytes())
    assert [(line["status"], line["trades"]) for line in audit["lines"]] == [("complete", 9_738)]
    again = audited(tmp_path)
    assert (again.recorder.symbols[CODE].book.breaks, again.recorder.symbols[CODE].book.is_valid) == (0, True)
    second = state(again.recorder, CODE, SECOND)
    assert (second.status, second.last_id, second.line.recorded) == (Status.COMPLETE, LAST_ID, truth()[1])
    assert [seal.key for seal in again.segments.seals()] == [(FIRST, 23, 0)]
    assert {hour: len(rows) for hour, rows in again.recorder.days[SECOND].rows.items()} == {0: 10_166}
    database = ControlDatabase(tmp_path / "control.db")
    rows = database.rows(SEALS, venue="BINANCE")
    database.close()
    assert [(row["day"], row["rows"]) for row in rows] == [(FIRST, 9_738)]


@pytest.mark.parametrize("single", [True, False])
async def test_lost_messages_are_fetched_and_the_line_closes_in_all_quantities(
    tmp_path: Path, single: bool
) -> None:
    """OB-902, OB-904, OB-903: exact holes, filled by id or by aggregates; a lost change of the book costs a snapshot."""
    server = BinanceServer(Venue(single_trades=single), Faults(), None, 0, FIRST)
    places = trade_places(server)
    server.faults.lost = frozenset([*places[100:140], *places[5_000:5_600:3], *places[-10:], places[200] + 1])
    lost = {trades(FIRST)[places.index(place)].trade_id for place in server.faults.lost if place in places}
    await server.start()
    async with running(server, tmp_path, FastClock(60), backfill=QUICK, binance=TRADES_AND_BOOKS) as run:
        await server.ended.wait()
        await run.daybook.flush()
        inner = {one for one in lost if one <= SPLIT_ID - 10}
        while sum(
            line.backfilled.trades for line in run.recording.recorder.symbol(CODE).lines.values()
        ) < len(inner):
            await asyncio.sleep(0.01)
    await server.stop()
    again = audited(tmp_path)
    first, second = (state(again.recorder, CODE, day) for day in (FIRST, SECOND))
    assert (first.status, second.status) == (Status.COMPLETE_BACKFILLED, Status.RESIDUAL)
    assert first.line.recorded.plus(first.line.backfilled) == truth()[0]
    tail = {one.trade_id for one in trades(FIRST)[-10:] if one.event_us <= again.recorder.venue_us}
    assert (second.residual, second.closes, first.residual) == (len(tail), True, 0)
    assert 0 < len(tail) <= 10
    assert first.line.recorded == truth(lost=lost)[0]
    served = [path for path, _, status in server.calls if status == 200]
    assert ("/api/v3/historicalTrades" in served) == single
    filled = [path for day in (FIRST, SECOND) for path in again.fills.paths(day)]
    assert len(filled) == 1


async def test_a_disconnect_is_a_gap_with_its_cause_and_is_fetched(tmp_path: Path) -> None:
    """OB-908, OB-673: the venue closes each connection after 24 hours; the messages between are fetched."""
    server = BinanceServer(Venue(), Faults(disconnects={2_000: 500, 9_000: 1_500}), None, 0, FIRST)
    await server.start()
    async with running(
        server, tmp_path, FastClock(60), backfill={"enabled": False}, binance=TRADES_AND_BOOKS
    ) as run:
        await server.ended.wait()
        await run.daybook.flush()
    await server.stop()
    assert server.connections == 3
    recorder = audited(tmp_path).recorder
    first = state(recorder, CODE, FIRST)
    assert {gap.cause for gap in first.gaps} == {Cause.WS_DISCONNECT}
    assert (len(first.gaps), first.status, first.closes) == (2, Status.RESIDUAL, True)
    assert recorder.symbols[CODE].book.breaks == 2
    assert [watch.cause for watch in recorder.symbols[CODE].watches] == [
        Cause.WS_DISCONNECT, Cause.WS_DISCONNECT, Cause.OPERATOR_STOP
    ]  # fmt: skip


async def test_refusals_of_the_venue_are_waited_out(tmp_path: Path) -> None:
    """OB-908: 429 and 418 with Retry-After: no call before that, and the recording goes on."""
    server = BinanceServer(Venue(), Faults(), None, 0, FIRST)
    server.faults.refusals = [(429, {"Retry-After": "20"}), (418, {"Retry-After": "30"})]
    await server.start()
    clock = FastClock(60)
    async with running(server, tmp_path, clock, backfill=QUICK) as run:
        await until(lambda: len([status for _, _, status in server.calls if status == 200]) >= 1)
        assert clock.monotonic_ns() >= 50 * 10**9
        assert [status for _, _, status in server.calls][:3] == [429, 418, 200]
        assert run.rest.weights.refusals == 2
        await server.ended.wait()
        await run.daybook.flush()
    await server.stop()
    assert run.applied.recorded == 9_757


async def test_a_damaged_message_is_quarantined_and_its_trade_fetched(tmp_path: Path) -> None:
    """OB-991, OB-901: kept in the journal, indexed with its reason; the session stays and the hole is filled."""
    server = BinanceServer(Venue(), Faults(), None, 0, FIRST)
    place = trade_places(server)[300]
    server.faults.garbled = frozenset({place})
    await server.start()
    async with running(server, tmp_path, FastClock(60), backfill=QUICK, binance=TRADES_AND_BOOKS) as run:
        await server.ended.wait()
        await run.daybook.flush()
        await until(lambda: run.recording.recorder.symbol(CODE).line(FIRST).backfilled.trades)
    await server.stop()
    assert server.connections == 1
    (entries,) = (tmp_path / "quarantine").glob("frames-*.jsonl")
    assert [json.loads(line)["reason"] for line in entries.read_text().splitlines()] == ["bad_json"]
    assert state(audited(tmp_path).recorder, CODE, FIRST).status is Status.COMPLETE_BACKFILLED


async def test_a_restart_continues_the_line_and_states_what_was_missed(tmp_path: Path) -> None:
    """OB-675, OB-512, OB-902: the second process knows what the first one wrote; the time between is one gap."""
    server = BinanceServer(Venue(), Faults(until=3_000), None, 0, FIRST)
    await server.start()
    clock = FastClock(60)
    async with running(server, tmp_path, clock, backfill={"enabled": False}, binance=TRADES_AND_BOOKS):
        await server.ended.wait()
    await server.stop()
    later = BinanceServer(Venue(), Faults(), None, 0, FIRST)
    later.place = server.place + 400
    await later.start()
    async with running(  # its clock goes on where that of the first one ended
        later, tmp_path, FastClock(60, clock.wall_ns()), backfill={"enabled": False}, binance=TRADES_AND_BOOKS
    ) as run:
        await later.ended.wait()
        await run.daybook.flush()
    await later.stop()
    first = state(audited(tmp_path).recorder, CODE, FIRST)
    assert (first.first_id, first.closes, len(first.gaps)) == (FIRST_ID, True, 1)
    assert {gap.cause for gap in first.gaps} == {Cause.OPERATOR_STOP}
