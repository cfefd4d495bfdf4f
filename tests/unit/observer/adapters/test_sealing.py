"""Hours sealed while the day runs, under a clock that is set."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.tape import DAY, MIDNIGHT_NS, day_notes, frames

from veritape.kernel.clock import ManualClock
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.sealing import LOOK_EVERY_S, Sealing

BOTH = ("990001", "990003")
SECOND = 10**9
TEN_S = 36_000
DELAY_S = 120
UNTIL_S = TEN_S + 600


class Sealed:
    """A recording that grows, and what was sealed of it by when."""

    def __init__(self, data: Path) -> None:
        self.recording, self.clock = Recording(data), ManualClock(wall_ns=MIDNIGHT_NS + 32_390 * SECOND)
        self.true_s, self.said = 32_390, list[tuple[int, str]]()
        self._coming = iter(frames(BOTH, until_ms=UNTIL_S * 1_000))
        index = SimpleNamespace(sealed=lambda _seal: None)
        loaded = asyncio.get_running_loop().create_future()
        loaded.set_result(None)
        daybook = SimpleNamespace(
            recording=self.recording, index=index, loaded=loaded, checkpoint=lambda _day: None
        )
        self.sealing = Sealing(
            cast("Daybook", daybook),
            self.clock,
            0,
            DELAY_S,
            lambda line: self.said.append((self.true_s, line)),
        )
        for note in day_notes(BOTH):
            self.recording.recorder.apply(note)
        self._next: Any = next(self._coming)

    def second(self) -> int:
        return (self.clock.wall_ns() - MIDNIGHT_NS) // SECOND

    async def look(self) -> None:
        """Let the time between two looks pass."""
        self.true_s += LOOK_EVERY_S
        while self._next is not None and self._next.received_ns <= MIDNIGHT_NS + self.true_s * SECOND:
            self.recording.recorder.apply(self._next)
            self._next = next(self._coming, None)
        self.clock.advance_ns(LOOK_EVERY_S * SECOND)
        for _ in range(3):
            await asyncio.sleep(0)


@contextmanager
def sealing(one: Sealed) -> Iterator[None]:
    task = asyncio.create_task(one.sealing.run(DAY, one.second))
    try:
        yield
    finally:
        task.cancel()


@pytest.mark.parametrize("seed", range(6))
async def test_a_clock_that_is_set_seals_every_row_once_and_no_hour_that_lasts(
    tmp_path: Path, seed: int
) -> None:
    """OB-004, OB-551: forward and back by up to an hour and more: no row twice or lost, the hour that ended sealed in time."""
    one, draw = Sealed(tmp_path), Random(seed)
    with sealing(one):
        await asyncio.sleep(0)
        while one.true_s < UNTIL_S:
            if draw.random() < 0.05:
                one.clock.step_wall_ns(draw.choice([-5_000, -3_600, -30, 30, 3_600, 5_000]) * SECOND)
            await one.look()
    assert [line.split(":")[0] for _, line in one.said] == [f"sealed 09.parquet of {DAY}"]
    assert TEN_S <= one.said[0][0] <= TEN_S + DELAY_S + 2 * LOOK_EVERY_S
    one.sealing.seal_rest(DAY)
    sealed = sum(seal.document["rows"] for seal in one.recording.segments.seals(DAY))
    keys = {key for hour in (9, 10) for key in one.recording.segments.sealed_keys(DAY, hour)}
    recorded = sum(line.recorded.trades for line in one.recording.recorder.days[DAY].lines.values())
    assert sealed == len(keys) == recorded > 1_000
