"""Run sweeps: the grid of the day, the anchors after the close, the tails (OB-201 to 209, OB-611, OB-612)."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.sweep_files import write_cycle
from veritape.observer.quotes import Quote, quotes_of, timed_trades_of
from veritape.observer.reactions import AnswerReason, Reaction
from veritape.observer.recorder import Anchor
from veritape.observer.sessions import MINUTE_S, Hours
from veritape.observer.tail import TailWalk
from veritape.observer.track_a import (
    ATTEMPTS,
    WAITS_MS,
    Cycle,
    CycleKind,
    MissingReason,
    chunks,
    deadline_s,
    halves,
    parameters,
)
from veritape.wire.kis.rest import MULTI_PRICE, TRADES_BY_TIME

ANCHOR_SWEEPS = 7
"""Most anchor sweeps of a day."""

ANCHOR_WAIT_S = 3 * MINUTE_S
"""Seconds after the close at which the first one runs."""

MILLISECOND = 1_000_000
"""Nanoseconds in a millisecond."""

END_OF_DAY_S = 86_399
"""Where a by-time walk begins: every trade of the day lies before it."""


class Sweeper:
    """Sweeps of one day."""

    def __init__(
        self,
        rest: BrokerRest,
        clock: Clock,
        data: Path,
        venue: str,
        universe_blake3: str,
        swept: Callable[[str, dict[str, Any]], None] = lambda _day, _manifest: None,
    ) -> None:
        """Keep what every sweep needs; ``swept`` is told day and manifest of each that ended."""
        self._swept = swept
        self._rest = rest
        self._clock = clock
        self._data = data
        self._venue = venue
        self._universe_blake3 = universe_blake3

    async def sweep(self, cycle: Cycle, day: str, grid_s: int, seconds: int) -> dict[str, Any]:
        """Run one cycle within its deadline, write it, return its manifest; one that was missed is only written."""
        cycle.started_ns = self._clock.wall_ns()
        deadline_ns = self._clock.monotonic_ns() + seconds * NANOSECONDS
        asks = [
            asyncio.create_task(self._chunk(cycle, codes))
            for codes in chunks(cycle.codes)
            if not cycle.missing
        ]
        stop = asyncio.create_task(self._clock.sleep_until(deadline_ns))
        everything = asyncio.gather(*asks, _nothing())
        either: set[asyncio.Future[Any]] = {everything, stop}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        everything.cancel()
        await asyncio.gather(everything, *asks, return_exceptions=True)
        for task in asks:
            if task.done() and not task.cancelled():
                task.result()
        cycle.ended_ns = self._clock.wall_ns()
        clock_text = f"{grid_s // 3600:02}{grid_s // 60 % 60:02}"
        manifest = write_cycle(self._data, self._venue, day, clock_text, cycle, self._universe_blake3)
        self._swept(day, manifest)
        return manifest

    async def anchors(
        self,
        codes: Sequence[str],
        day: str,
        hours: Hours,
        midnight_ns: int,
        taken: Callable[[str, Anchor], None],
    ) -> dict[str, Anchor]:
        """Sweep after the close, a minute apart, until two in a row agree for every code (OB-611)."""
        agreed: dict[str, Anchor] = {}
        before: dict[str, Quote] = {}
        for number in range(ANCHOR_SWEEPS):
            at_s = hours.close_s + ANCHOR_WAIT_S + number * MINUTE_S
            await self._clock.sleep_until(
                self._clock.monotonic_ns() + midnight_ns + at_s * NANOSECONDS - self._clock.wall_ns()
            )
            open_codes = tuple(code for code in codes if code not in agreed)
            cycle = Cycle(number, CycleKind.ANCHOR, midnight_ns + at_s * NANOSECONDS, open_codes)
            await self.sweep(cycle, day, at_s, MINUTE_S - 5)
            for code, (quote, _, received_us) in cycle.quotes.items():
                last = before.get(code)
                same = last is not None and last[_VOLUME:] == quote[_VOLUME:]
                anchor = Anchor(quote.chain_shares, quote.chain_value, received_us * 1000, same)
                before[code] = quote
                if same or number == ANCHOR_SWEEPS - 1:
                    taken(code, anchor)
                if same:
                    agreed[code] = anchor
            if len(agreed) == len(codes):
                break
        return agreed

    async def tail(self, code: str, left_shares: int, right_shares: int) -> TailWalk:
        """Tile a tail downwards with by-time rows; the walk says whether it closed."""
        walk = TailWalk(left_shares, right_shares, END_OF_DAY_S)
        while not walk.over:
            hour = f"{walk.cursor_s // 3600:02}{walk.cursor_s // 60 % 60:02}{walk.cursor_s % 60:02}"
            query = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": code, "FID_INPUT_HOUR_1": hour}
            rows = timed_trades_of(await self._rest.quotation(TRADES_BY_TIME, query))
            walk.receive([] if isinstance(rows, AnswerReason) else rows)
        return walk

    async def _chunk(self, cycle: Cycle, codes: Sequence[str]) -> None:
        """Ask for one chunk, again if it was not answered, in halves if it was refused for its content."""
        cycle.calls += 1
        reason = MissingReason.NO_ANSWER
        for attempt in range(ATTEMPTS):
            if attempt:
                await self._clock.sleep_until(
                    self._clock.monotonic_ns() + WAITS_MS[attempt - 1] * MILLISECOND
                )
            cycle.attempts += 1
            requested_us = self._clock.wall_ns() // 1000
            answer = await self._rest.quotation(MULTI_PRICE, parameters(codes))
            if answer.reaction is Reaction.OK and "output" in answer.document:
                quotes, malformed = quotes_of(answer)
                cycle.received(codes, quotes, malformed, (requested_us, self._clock.wall_ns() // 1000))
                return
            if answer.code:
                cycle.refusals[answer.code] = cycle.refusals.get(answer.code, 0) + 1
            if answer.reaction in {Reaction.BUG, Reaction.REFUSED} and answer.code:
                reason = MissingReason.REFUSED
                if len(codes) > 1:
                    for half in halves(codes):
                        await self._chunk(cycle, half)
                    return
                break
        cycle.lost(codes, reason)


async def _nothing() -> None:
    """Let a cycle without calls end at once."""


async def grid_cycle(
    sweeper: Sweeper, cycle: Cycle, day: str, grid_s: int, interval_minutes: int
) -> dict[str, Any]:
    """Run one cycle of the grid."""
    return await sweeper.sweep(cycle, day, grid_s, deadline_s(interval_minutes))


_VOLUME = Quote._fields.index("chain_shares")
