"""A silent code is asked for one quote."""

import asyncio
from pathlib import Path
from typing import Any, cast
from weakref import ref

import pytest
from tests.tape import DAY, MIDNIGHT_NS, bundled, day_notes, frames

from veritape.kernel.clock import ManualClock
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.quote_check import QuoteCheck
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.silence_watch import SilenceWatch
from veritape.observer.lanes import Lane
from veritape.observer.reactions import Answer, Reaction
from veritape.observer.recorder import SETTLING_NS
from veritape.wire.kis.rest import MULTI_PRICE, Call

SECOND = 10**9
OPEN_MS = 32_400_000
BOTH = ("990001", "990003")
LOST_MS = OPEN_MS + 1_200_000
"""From here on nothing of 990001 arrives."""
END_MS = LOST_MS + 40_000


class Quotes:
    """Answers multi-price calls with the tape's state at its end."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], Lane]] = []

    async def quotation(self, call: Call, query: dict[str, str], lane: Lane) -> Answer:
        assert call is MULTI_PRICE
        codes = [value for name, value in query.items() if "ISCD" in name]
        self.asked.append((codes, lane))
        return Answer(Reaction.OK, "", None, {"output": [row(code) for code in codes]})


def row(code: str) -> dict[str, Any]:
    last = bundled(code).until(END_MS).trades[-1]
    fields = ("inter2_prpr", "inter2_oprc", "inter2_hgpr", "inter2_lwpr", "inter2_askp", "inter2_bidp",
              "inter2_sdpr", "seln_rsqn", "shnu_rsqn")  # fmt: skip
    return {"inter_shrn_iscd": code, "acml_vol": str(last.chain_shares), "acml_tr_pbmn": str(last.chain_value),
            **dict.fromkeys(fields, "1")}  # fmt: skip


def silence_watch(quotes: Quotes, recording: Recording, clock: ManualClock) -> SilenceWatch:
    check = QuoteCheck(cast("BrokerRest", quotes), recording.recorder, clock)
    return SilenceWatch(check, recording, clock)


async def test_a_code_that_falls_silent_while_others_go_on_is_asked_for(tmp_path: Path) -> None:
    """OB-641, OB-642: level g asks for one quote; the quote is ahead of the line: level e suspects what is lost."""
    recording, quotes = Recording(tmp_path), Quotes()
    clock = ManualClock(wall_ns=MIDNIGHT_NS + END_MS * 1_000_000)
    watch = silence_watch(quotes, recording, clock)
    for note in day_notes(BOTH):
        recording.recorder.apply(note)
    for code, until_ms in zip(BOTH, (LOST_MS, END_MS), strict=True):
        for frame in frames((code,), until_ms=until_ms):
            recording.recorder.apply(frame)
    await watch.look(DAY, ())
    assert quotes.asked == []
    await watch.look(DAY, BOTH)
    await watch.look(DAY, BOTH)
    assert quotes.asked == [(["990001"], Lane.BASELINE)], "once a silence"
    assert recording.recorder.settled(clock.monotonic_ns() + SETTLING_NS) == [(DAY, "990001")]


async def test_rows_are_read_once_and_again_after_a_seal(tmp_path: Path) -> None:
    """OB-641: what is read again from another table, or was sealed, counts no pause twice."""
    recording = Recording(tmp_path)
    clock = ManualClock(wall_ns=MIDNIGHT_NS + END_MS * 1_000_000)
    watch = silence_watch(Quotes(), recording, clock)
    tape = [*day_notes(BOTH), *frames(BOTH, until_ms=END_MS)]
    for frame in tape[: len(tape) // 2]:
        recording.recorder.apply(frame)
    await watch.look(DAY, ())
    for frame in tape[len(tape) // 2 :]:
        recording.recorder.apply(frame)
    await watch.look(DAY, ())
    seen = {code: watch._silences._codes[code].seen for code in BOTH}
    emitted = {
        code: len({frame.received_ns // 1000 for frame in frames((code,), until_ms=END_MS)}) for code in BOTH
    }
    assert seen == {code: count - 1 for code, count in emitted.items()}
    recording.recorder.forget_sealed(DAY, 9, set())
    await watch.look(DAY, ())
    recording.seal_due(DAY, 10 * 3600, 0, all_hours=True)
    await watch.look(DAY, ())
    assert {code: watch._silences._codes[code].seen for code in BOTH} == seen


async def test_it_looks_until_it_is_cancelled(tmp_path: Path) -> None:
    """OB-641: every five seconds, for the codes that are registered then."""
    clock, asked = ManualClock(wall_ns=MIDNIGHT_NS), list[int]()

    def watched() -> list[str]:
        asked.append(clock.monotonic_ns())
        return []

    watch = silence_watch(Quotes(), Recording(tmp_path), clock)
    task = asyncio.create_task(watch.run(DAY, watched))
    for _ in range(10):
        await asyncio.sleep(0)
        clock.advance_ns(5 * SECOND)
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(asked) >= 5


async def test_rows_are_let_go_when_they_are_sealed(tmp_path: Path) -> None:
    """OB-1041: the watch of a day that is over keeps none of the day's last hour, which is megabytes."""
    recording = Recording(tmp_path)
    clock = ManualClock(wall_ns=MIDNIGHT_NS + END_MS * 1_000_000)
    watch = silence_watch(Quotes(), recording, clock)
    for frame in [*day_notes(BOTH), *frames(BOTH, until_ms=END_MS)]:
        recording.recorder.apply(frame)
    await watch.look(DAY, ())
    rows = ref(recording.recorder.days[DAY].rows[9])
    assert rows() is not None
    recording.seal_due(DAY, 0, 0, all_hours=True)
    assert rows() is None


@pytest.mark.parametrize("step_s", [-3_600, -20, 20, 3_600])
async def test_a_clock_that_is_set_hides_no_silence_and_makes_none(tmp_path: Path, step_s: int) -> None:
    """OB-004, OB-641: the pause is measured without the step, wherever the clock is set; stamps stay wall time."""
    recording, quotes, clock = Recording(tmp_path), Quotes(), ManualClock(wall_ns=MIDNIGHT_NS)
    watch = silence_watch(quotes, recording, clock)
    for note in day_notes(BOTH):
        recording.recorder.apply(note)
    until_ms = {"990001": LOST_MS, "990003": END_MS}
    tape = frames(BOTH, until_ms=END_MS)
    for frame in tape:
        at_ns = frame.received_ns - MIDNIGHT_NS
        while clock.monotonic_ns() + 5 * SECOND <= at_ns:
            clock.advance_ns(5 * SECOND)
            await watch.look(DAY, BOTH)
            before_ns = clock.monotonic_ns() - 5 * SECOND
            if before_ns < (LOST_MS - 10_000) * 1_000_000 <= clock.monotonic_ns():
                assert quotes.asked == [], "both were heard all the time"
                clock.step_wall_ns(step_s * SECOND)
        code = frame.data.split(b"|")[3][:6].decode()
        if at_ns < until_ms[code] * 1_000_000:
            stamp_ns = clock.wall_ns() + at_ns - clock.monotonic_ns()
            recording.recorder.apply(frame._replace(received_ns=stamp_ns))
    clock.advance_ns(END_MS * 1_000_000 - clock.monotonic_ns())
    await watch.look(DAY, BOTH)
    assert quotes.asked == [(["990001"], Lane.BASELINE)]
