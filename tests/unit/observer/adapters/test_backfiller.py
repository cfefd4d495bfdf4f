"""Fetching what was missed, from a replayed broker in the same loop."""

import asyncio
from pathlib import Path

from tests.by_time import Calls, Still
from tests.tape import DAY, MIDNIGHT_NS, anchors, bundled, day_notes, frames, own_note
from tests.waiting import until

from veritape.kernel.clock import NANOSECONDS
from veritape.observer import audit
from veritape.observer.adapters.backfiller import Backfiller
from veritape.observer.adapters.recording import Recording
from veritape.observer.audit import Status
from veritape.observer.axis import ZERO, Totals
from veritape.observer.lanes import Lane
from veritape.observer.notes import NoteKind
from veritape.observer.reactions import Answer
from veritape.wire.kis.rest import BARS_PAST, BARS_TODAY, TRADES_BY_TIME, Call

OPEN_MS = 32_400_000
SECONDS = 600
UNTIL = OPEN_MS + SECONDS * 1000
LATER_MS = UNTIL + 600_000
CODES = ("990001", "990003")


def recorded(data: Path, drop: float, *, tails: int = 0) -> Recording:
    """Return a recording of ten minutes in which frames were lost, the last ones of each line among them."""
    recording = Recording(data)
    kept = list(frames(CODES, drop=drop, until_ms=UNTIL))
    for frame in [*day_notes(CODES), *(kept[:-tails] if tails else kept)]:
        recording.recorder.apply(frame)
    return recording


def close(recording: Recording) -> None:
    for frame in anchors(CODES, until_ms=UNTIL):
        recording.recorder.apply(frame)


def truth(code: str) -> Totals:
    end = bundled(code).until(UNTIL).trades[-1]
    return Totals(end.sells + end.buys, end.chain_shares, end.chain_value)


async def test_everything_that_can_be_fetched_is(tmp_path: Path) -> None:
    """OB-701, OB-702, OB-612, OB-704: after the anchor, tails too; what the cursor cannot reach stays missing, stated exactly."""
    recording = recorded(tmp_path, 0.05, tails=3)
    close(recording)
    missing = [audit.state(recording.recorder.days[DAY], code) for code in CODES]
    backfiller = Backfiller(Calls(UNTIL), Still(LATER_MS), recording, 0.2)  # type: ignore[arg-type]
    brought = await backfiller.finish(DAY)
    filled = [audit.state(recording.recorder.days[DAY], code) for code in CODES]
    assert brought.trades == sum(one.backfilled.trades for one in filled) > 0
    assert brought.shares == sum(one.backfilled.shares for one in filled)
    assert filled[0].status is Status.COMPLETE_BACKFILLED
    for before, after, code in zip(missing, filled, CODES, strict=True):
        assert after.line.recorded.plus(after.backfilled).plus(after.residual) == truth(code)
        assert after.residual.shares < before.residual.shares
        assert after.trades_exact
    again = Recording(tmp_path)
    assert again.backfill.trades(DAY) == {code: recording.recorder.days[DAY].fetched[code] for code in CODES}


async def test_a_page_with_a_hole_of_its_own_is_asked_again(tmp_path: Path) -> None:
    """KIS-062: a page may lack a row; the second walk brings it."""
    whole, holed = (recorded(tmp_path / name, 0.05) for name in ("whole", "holed"))
    tape = Calls(UNTIL, page_hole=True)
    for recording, one in ((whole, Calls(UNTIL)), (holed, tape)):
        close(recording)
        await Backfiller(one, Still(LATER_MS), recording, 0.2).finish(DAY)  # type: ignore[arg-type]
    states = [
        [audit.state(one.recorder.days[DAY], code).residual for code in CODES] for one in (whole, holed)
    ]
    assert states[0] == states[1]
    assert states[0][0] == ZERO


async def test_bars_describe_what_cannot_be_fetched(tmp_path: Path) -> None:
    """OB-705, OB-706, KIS-065: bars for the lines with a residual, kept apart; they reduce nothing."""
    recording = recorded(tmp_path, 0.05)
    close(recording)
    tape = Calls(UNTIL)
    tape.bars = tape.minute_bars("990003")
    backfiller = Backfiller(tape, Still(LATER_MS), recording, 0.2)  # type: ignore[arg-type]
    brought = await backfiller.finish(DAY)
    recording.recorder.apply(own_note(NoteKind.CLOSED, 56_000, day=DAY))
    recording.seal_due(DAY, 86_399, 0, all_hours=True)
    line = next(one for one in recording.audit(DAY, 1)["lines"] if one["code"] == "990003")
    assert 0 < brought.bars == len(recording.backfill.bars(DAY)["990003"]) <= len(tape.bars)
    assert line["residual"]["shares"] > 0
    assert line["residual"]["described_by_bars_shares"] == line["residual"]["shares"]
    assert (line["status"], line["differences"]) == ("residual", [])
    assert tape.asked.count(BARS_TODAY) == 1


async def test_of_a_past_day_only_bars_can_be_fetched(tmp_path: Path) -> None:
    """OB-705, KIS-065: FHKST03010230 for a past day; the by-time call knows no date and is not asked."""
    recording = recorded(tmp_path, 0.05)
    close(recording)
    tape = Calls(UNTIL)
    tape.bars = tape.minute_bars("990001")
    brought = await Backfiller(tape, Still(UNTIL + 86_400_000), recording, 0.2).finish(DAY)  # type: ignore[arg-type]
    assert (brought.trades, set(tape.asked)) == (0, {BARS_PAST})
    assert brought.bars > 0


async def test_it_ends_in_time_and_with_the_day(tmp_path: Path) -> None:
    """OB-701: done or not, the audit follows; rows of the next day are never asked for."""
    recording = recorded(tmp_path, 0.05)
    close(recording)
    tape, still = Calls(UNTIL), Still(LATER_MS)
    backfiller = Backfiller(tape, still, recording, 0.2)  # type: ignore[arg-type]
    assert (await backfiller.finish(DAY, still.now_ns)).trades == 0
    ask = tape.quotation

    async def then_midnight(call: Call, query: dict[str, str], lane: Lane) -> Answer:
        still.now_ns += 86_400 * NANOSECONDS
        return await ask(call, query, lane)

    tape.quotation = then_midnight  # type: ignore[method-assign]
    await backfiller.finish(DAY)
    assert tape.asked.count(TRADES_BY_TIME) == 1


async def test_in_session_only_holes_older_than_ten_seconds_are_fetched(tmp_path: Path) -> None:
    """OB-701: a late frame may fill a young hole for nothing; each hole is tried once in session."""
    recording = recorded(tmp_path, 0.05)
    young = Still(OPEN_MS)
    tape = Calls(UNTIL)
    backfiller = Backfiller(tape, young, recording, 0.2)  # type: ignore[arg-type]
    await backfiller._fetch_old_holes(DAY)
    assert tape.asked == []
    young.now_ns = MIDNIGHT_NS + (UNTIL + 11_000) * 1_000_000
    await backfiller._fetch_old_holes(DAY)
    asked = len(tape.asked)
    assert asked > 10
    assert backfiller.brought.trades > 0
    await backfiller._fetch_old_holes(DAY)
    assert len(tape.asked) == asked


async def test_in_session_the_budget_holds_and_yields(tmp_path: Path) -> None:
    """OB-708: 20 % of 18 permits are three calls a second; none while another lane waits."""
    recording = recorded(tmp_path, 0.05)
    tape, still = Calls(UNTIL), Still(LATER_MS)
    stamps: list[int] = []
    ask = tape.quotation

    async def stamped(call: Call, query: dict[str, str], lane: Lane) -> Answer:
        stamps.append(still.now_ns)
        return await ask(call, query, lane)

    tape.quotation = stamped  # type: ignore[method-assign]
    backfiller = Backfiller(tape, still, recording, 0.2)  # type: ignore[arg-type]
    task = asyncio.create_task(backfiller.watch(DAY))
    await until(lambda: len(stamps) >= 12)
    assert all(later - earlier >= NANOSECONDS for earlier, later in zip(stamps, stamps[3:], strict=False))
    tape.waiting = 1
    await asyncio.sleep(0.05)
    before = len(stamps)
    await asyncio.sleep(0.05)
    assert len(stamps) == before
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
