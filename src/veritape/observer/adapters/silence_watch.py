"""Ask for one quote of a code that is quieter than it uses to be while others go on (level g of OB-641).

The frames' moments are read from the rows that wait for their segment, not in the path of a frame; they are not kept from being
let go when they are sealed. The quote is a sweep of
its own for these codes: when it is ahead of the line after the settling time, a gap is suspected (level e). A pause is measured
on a line without steps (OB-004): the clock that stamps the frames may be set.
"""

from collections.abc import Callable, Iterator, Sequence
from weakref import ref

import numpy as np

from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.observer.adapters.quote_check import QuoteCheck
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.segment_columns import ROW
from veritape.observer.clock_steps import SteadyLine
from veritape.observer.recorded_days import Day
from veritape.observer.rows import PACKED, TradeRows
from veritape.observer.silences import Silences

LOOK_EVERY_S = 5
"""Seconds between two looks."""

MICROSECOND = 1_000
"""Nanoseconds of a microsecond."""


class SilenceWatch:
    """The silences of one recorded day."""

    def __init__(self, check: QuoteCheck, recording: Recording, clock: Clock) -> None:
        self._check = check
        self._recording = recording
        self._clock = clock
        self._silences = Silences()
        self._line = SteadyLine()
        self._line.look(clock.wall_ns(), clock.monotonic_ns())
        self._read: dict[int, tuple[ref[TradeRows], int]] = {}

    async def run(self, day: str, watched: Callable[[], Sequence[str]]) -> None:
        """Look and ask until cancelled.

        Args:
            day: business date.
            watched: returns the codes that are registered now; none while silence is normal.
        """
        while True:
            await self._clock.sleep_until(self._clock.monotonic_ns() + LOOK_EVERY_S * NANOSECONDS)
            await self.look(day, watched())

    async def look(self, day: str, watched: Sequence[str]) -> None:
        """Read what was recorded since the last look; ask for the codes whose silence is rare."""
        now_ns = self._line.look(self._clock.wall_ns(), self._clock.monotonic_ns())
        for code, stamps_us in self._new_stamps(self._recording.recorder.day(day)):
            moments = self._line.moments(stamp_us * MICROSECOND for stamp_us in stamps_us)
            self._silences.heard(code, (moment_ns // MICROSECOND for moment_ns in moments))
        await self._check.ask(day, self._silences.to_ask(now_ns // MICROSECOND, watched))

    def _new_stamps(self, day: Day) -> Iterator[tuple[str, list[int]]]:
        """Yield codes with the stamps of their frames, hour by hour."""
        known, self._read = self._read, {}
        for hour, rows in sorted(day.rows.items()):
            before, count = known.get(hour, (ref(rows), 0))
            first = count if before() is rows else 0  # another table: rows that a segment holds were dropped
            self._read[hour] = (ref(rows), len(rows))
            table = np.frombuffer(bytes(rows.packed[first * PACKED.size :]), ROW)
            for (code, _, _), name in rows.names.items():
                stamps_us = np.unique(table["received_us"][table["name"] == name])
                if len(stamps_us):
                    yield code, stamps_us.tolist()
