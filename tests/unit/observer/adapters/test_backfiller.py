"""Fetching what was missed, from a replayed broker in the same loop."""

import asyncio
from pathlib import Path
from typing import Any

from tests.tape import DAY, MIDNIGHT_NS, anchors, bundled, day_notes, frames, own_note

from veritape.kernel.clock import NANOSECONDS
from veritape.observer import audit
from veritape.observer.adapters.backfiller import Backfiller
from veritape.observer.adapters.recording import Recording
from veritape.observer.audit import Status
from veritape.observer.completeness import ZERO, Totals
from veritape.observer.lanes import Lane, LaneFigures
from veritape.observer.reactions import Answer, Reaction
from veritape.observer.recorder import NoteKind
from veritape.wire.kis.rest import BARS_PAST, BARS_TODAY, TRADES_BY_TIME, Call

OPEN_MS = 32_400_000
SECONDS = 600
UNTIL = OPEN_MS + SECONDS * 1000
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


class Tape:
    """The calls of a broker that serves the bundled day, as answers; counts them, and may leave a row out."""

    def __init__(self, *, page_hole: bool = False) -> None:
        self.asked: list[Call] = []
        self.waiting = 0
        self.page_hole = page_hole
        self.bars: list[dict[str, str]] = []

    async def quotation(self, call: Call, query: dict[str, str], lane: Lane) -> Answer:
        assert lane is Lane.BACKFILL
        self.asked.append(call)
        hour = query["FID_INPUT_HOUR_1"]
        if call is TRADES_BY_TIME:
            rows = by_time(query["FID_INPUT_ISCD"], hour)
            if self.page_hole and len(self.asked) == 1:
                del rows[:-1]
        else:
            rows = [bar for bar in self.bars if bar["stck_cntg_hour"] <= hour][: call.rows]
        return Answer(Reaction.OK, "", None, {"output1": {}, "output2": rows})

    @property
    def gate(self) -> Any:
        figures = LaneFigures(self.waiting, 0, 0, 0)
        return type(
            "Gate", (), {"lanes": dict.fromkeys(Lane, figures), "figures": type("F", (), {"permits": 18})}
        )


def by_time(code: str, hour: str) -> list[dict[str, str]]:
    """Return what the by-time call says once the ten minutes are over."""
    end_ms = (int(hour[:2]) * 3600 + int(hour[2:4]) * 60 + int(hour[4:]) + 1) * 1000
    trades = [t for t in bundled(code).until(UNTIL).trades if t.ms < end_ms][-30:]
    return [
        {"stck_cntg_hour": clock(t.ms // 1000), "stck_prpr": str(t.price), "acml_vol": str(t.chain_shares),
         "cnqn": str(t.shares)}
        for t in reversed(trades)
    ]  # fmt: skip


def clock(second: int) -> str:
    return f"{second // 3600:02}{second // 60 % 60:02}{second % 60:02}"


def minute_bars(code: str) -> list[dict[str, str]]:
    minutes: dict[int, list[Any]] = {}
    for t in bundled(code).until(UNTIL).trades:
        minutes.setdefault(t.ms // 60_000 * 60, []).append(t)
    return [
        {"stck_bsop_date": DAY, "stck_cntg_hour": clock(minute), "stck_oprc": str(own[0].price),
         "stck_hgpr": str(max(t.price for t in own)), "stck_lwpr": str(min(t.price for t in own)),
         "stck_prpr": str(own[-1].price), "cntg_vol": str(sum(t.shares for t in own)),
         "acml_tr_pbmn": str(own[-1].chain_value)}
        for minute, own in sorted(minutes.items(), reverse=True)
    ]  # fmt: skip


class Still:
    """A clock of the afternoon whose sleeps take no time."""

    def __init__(self, ms: int = UNTIL + 600_000) -> None:
        self.now_ns = MIDNIGHT_NS + ms * 1_000_000

    def wall_ns(self) -> int:
        return self.now_ns

    def monotonic_ns(self) -> int:
        return self.now_ns

    async def sleep_until(self, monotonic_ns: int) -> None:
        self.now_ns = max(self.now_ns, monotonic_ns)
        await asyncio.sleep(0)


def truth(code: str) -> Totals:
    end = bundled(code).until(UNTIL).trades[-1]
    return Totals(end.sells + end.buys, end.chain_shares, end.chain_value)


async def test_everything_that_can_be_fetched_is(tmp_path: Path) -> None:
    """OB-701, OB-702, OB-612, OB-704: after the anchor, tails too; what the cursor cannot reach stays missing, stated exactly."""
    recording = recorded(tmp_path, 0.05, tails=3)
    close(recording)
    missing = [audit.state(recording.recorder.days[DAY], code) for code in CODES]
    backfiller = Backfiller(Tape(), Still(), recording, 0.2)  # type: ignore[arg-type]
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
    tape = Tape(page_hole=True)
    for recording, one in ((whole, Tape()), (holed, tape)):
        close(recording)
        await Backfiller(one, Still(), recording, 0.2).finish(DAY)  # type: ignore[arg-type]
    states = [
        [audit.state(one.recorder.days[DAY], code).residual for code in CODES] for one in (whole, holed)
    ]
    assert states[0] == states[1]
    assert states[0][0] == ZERO


async def test_bars_describe_what_cannot_be_fetched(tmp_path: Path) -> None:
    """OB-705, OB-706, KIS-065: bars for the lines with a residual, kept apart; they reduce nothing."""
    recording = recorded(tmp_path, 0.05)
    close(recording)
    tape = Tape()
    tape.bars = minute_bars("990003")
    backfiller = Backfiller(tape, Still(), recording, 0.2)  # type: ignore[arg-type]
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
    tape = Tape()
    tape.bars = minute_bars("990001")
    brought = await Backfiller(tape, Still(UNTIL + 86_400_000), recording, 0.2).finish(DAY)  # type: ignore[arg-type]
    assert (brought.trades, set(tape.asked)) == (0, {BARS_PAST})
    assert brought.bars > 0


async def test_in_session_only_holes_older_than_ten_seconds_are_fetched(tmp_path: Path) -> None:
    """OB-701: a late frame may fill a young hole for nothing; each hole is tried once in session."""
    recording = recorded(tmp_path, 0.05)
    young = Still(OPEN_MS)
    tape = Tape()
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
    tape, still = Tape(), Still()
    stamps: list[int] = []
    ask = tape.quotation

    async def stamped(call: Call, query: dict[str, str], lane: Lane) -> Answer:
        stamps.append(still.now_ns)
        return await ask(call, query, lane)

    tape.quotation = stamped  # type: ignore[method-assign]
    backfiller = Backfiller(tape, still, recording, 0.2)  # type: ignore[arg-type]
    task = asyncio.create_task(backfiller.watch(DAY))
    async with asyncio.timeout(20):
        while len(stamps) < 12:
            await asyncio.sleep(0.01)
    assert all(later - earlier >= NANOSECONDS for earlier, later in zip(stamps, stamps[3:], strict=False))
    tape.waiting = 1
    await asyncio.sleep(0.05)
    before = len(stamps)
    await asyncio.sleep(0.05)
    assert len(stamps) == before
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
