"""Run sweeps: the grid of the day, the anchors after the close, the tails (OB-201 to 209, OB-611, OB-612)."""

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.clock_watch import sleep_until_wall
from veritape.observer.adapters.sweep_files import write_cycle
from veritape.observer.lanes import Lane
from veritape.observer.log_events import LogEvent
from veritape.observer.quotes import Quote, quotes_of, single_quote_of, timed_trades_of
from veritape.observer.reactions import Answer, AnswerReason, Reaction
from veritape.observer.recorded_days import Anchor
from veritape.observer.sessions import MINUTE_S, Hours
from veritape.observer.tail import TailWalk
from veritape.observer.track_a import (
    ATTEMPTS,
    ChainWatch,
    Cycle,
    CycleKind,
    MissingReason,
    calls_that_fit,
    chunks,
    deadline_s,
    halves,
    parameters,
    wait_ms,
)
from veritape.wire.kis.rest import INQUIRE_PRICE, MULTI_PRICE, TRADES_BY_TIME

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
        *,
        single: bool = False,
    ) -> None:
        """Keep what every sweep needs.

        Args:
            rest: the account's calls.
            clock: the market's time.
            data: data directory.
            venue: whose quotes.
            universe_blake3: digest of the day's universe.
            swept: told day and manifest of each sweep that ended.
            single: ask for one symbol a call; an account that lacks the call for thirty does so in any case.
        """
        self._swept = swept
        self.is_single = single or not rest.serves(MULTI_PRICE)
        """Whether a call asks for one symbol."""
        self.chains = ChainWatch()
        """Cumulative volumes of the day."""
        self._rest = rest
        self._clock = clock
        self._data = data
        self._venue = venue
        self._universe_blake3 = universe_blake3

    async def sweep(self, cycle: Cycle, day: str, grid_s: int, seconds: int) -> dict[str, Any]:
        """Run one cycle within its deadline, write it, return its manifest; one that was missed is only written."""
        with self._rest.sweeping():
            await self._answered(cycle, seconds)
        for code, (quote, _, _) in cycle.quotes.items():
            if self.chains.see(quote):
                log = structlog.get_logger()
                log.warning(LogEvent.CHAIN_WENT_BACK, day=day, code=code, chain_shares=quote.chain_shares)
        clock_text = f"{grid_s // 3600:02}{grid_s // 60 % 60:02}"
        manifest = write_cycle(self._data, self._venue, day, clock_text, cycle, self._universe_blake3)
        self._swept(day, manifest)
        return manifest

    async def _answered(self, cycle: Cycle, seconds: int) -> None:
        """Ask for everything that a cycle's time allows, until it is over."""
        cycle.started_ns = self._clock.wall_ns()
        deadline_ns = self._clock.monotonic_ns() + seconds * NANOSECONDS
        lane = Lane.ANCHOR if cycle.kind is CycleKind.ANCHOR else Lane.SWEEP
        asks = [
            asyncio.create_task(self._chunk(cycle, codes, lane)) for codes in self._planned(cycle, seconds)
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
            await sleep_until_wall(self._clock, midnight_ns + at_s * NANOSECONDS)
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
            rows = timed_trades_of(await self._rest.quotation(TRADES_BY_TIME, query, Lane.ANCHOR))
            walk.receive([] if isinstance(rows, AnswerReason) else rows)
        return walk

    def _planned(self, cycle: Cycle, seconds: int) -> list[Sequence[str]]:
        """Return the codes of each call that the cycle's time allows; the others are missing from the start."""
        if cycle.missing:
            return []
        calls = list(chunks(cycle.codes, 1 if self.is_single else MULTI_PRICE.rows))
        room = calls_that_fit(self._rest.gate.figures.permits, seconds)
        for codes in calls[room:]:
            cycle.lost(codes, MissingReason.NOT_PACED)
        return calls[:room]

    async def _chunk(self, cycle: Cycle, codes: Sequence[str], lane: Lane) -> None:
        """Ask for one chunk; find the bad codes of one that is refused for its content."""
        if await self._ask(cycle, codes, lane):
            await self._isolate(cycle, codes, lane, asked=True)

    async def _isolate(self, cycle: Cycle, codes: Sequence[str], lane: Lane, *, asked: bool) -> None:
        """Receive all but the bad codes of a chunk that holds one (OB-206).

        If its first half is answered, the second holds a bad code and need not be asked as a whole: so one bad code in
        thirty takes at most ten calls.
        """
        if len(codes) == 1:
            if asked or await self._ask(cycle, codes, lane):
                cycle.lost(codes, MissingReason.REFUSED)
            return
        first, second = halves(codes)
        first_is_bad = await self._ask(cycle, first, lane)
        second_is_bad = await self._ask(cycle, second, lane) if first_is_bad else True
        if first_is_bad:
            await self._isolate(cycle, first, lane, asked=True)
        if second_is_bad:
            await self._isolate(cycle, second, lane, asked=first_is_bad)

    async def _ask(self, cycle: Cycle, codes: Sequence[str], lane: Lane) -> bool:
        """Make one call, again if it was not answered; tell whether it was refused for its content."""
        cycle.calls += 1
        for attempt in range(ATTEMPTS):
            if attempt:
                pause_ms = wait_ms(attempt, random.random())  # noqa: S311 - jitter
                await self._clock.sleep_until(self._clock.monotonic_ns() + pause_ms * MILLISECOND)
            cycle.attempts += 1
            requested_us = self._clock.wall_ns() // 1000
            answer = await self._quoted(codes, lane)
            if answer.reaction is Reaction.OK and "output" in answer.document:
                quotes, malformed = single_quote_of(codes[0], answer) if self.is_single else quotes_of(answer)
                cycle.received(codes, quotes, malformed, (requested_us, self._clock.wall_ns() // 1000))
                return False
            if answer.code:
                cycle.refusals[answer.code] = cycle.refusals.get(answer.code, 0) + 1
            if answer.reaction in {Reaction.BUG, Reaction.REFUSED} and answer.code:
                return True
        cycle.lost(codes, MissingReason.NO_ANSWER)
        return False

    async def _quoted(self, codes: Sequence[str], lane: Lane) -> Answer:
        if not self.is_single:
            return await self._rest.quotation(MULTI_PRICE, parameters(codes), lane)
        query = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": codes[0]}
        return await self._rest.quotation(INQUIRE_PRICE, query, lane)


async def _nothing() -> None:
    """Let a cycle without calls end at once."""


async def grid_cycle(
    sweeper: Sweeper, cycle: Cycle, day: str, grid_s: int, interval_minutes: int
) -> dict[str, Any]:
    """Run one cycle of the grid."""
    seconds = deadline_s(interval_minutes, single=sweeper.is_single)
    return await sweeper.sweep(cycle, day, grid_s, seconds)


_VOLUME = Quote._fields.index("chain_shares")
