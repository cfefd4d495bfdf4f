"""Fetch what was missed: trades by time, then minute bars that describe what is left (OB-701 to 708).

In session holes older than ten seconds are fetched, because the call reaches back only 30 trades of a second; after the
anchor everything that is left, the tails among it. A row counts once its file is on disk.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from veritape.kernel.clock import NANOSECONDS, Clock, SystemClock
from veritape.observer import audit
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.reparsing import acceptable, reparse
from veritape.observer.axis import Hole
from veritape.observer.backfill import PATIENCE_NS, Budget, Fetched, Source
from veritape.observer.bars import MINUTE_S, BarWalk, bars_of, last_minute_over
from veritape.observer.gaps import DAY_SECONDS
from veritape.observer.lanes import Lane
from veritape.observer.quotes import TimedTrade, timed_trades_of
from veritape.observer.reactions import AnswerReason, Reaction
from veritape.observer.recorded_days import Day
from veritape.observer.recorder import kst
from veritape.observer.tail import TailWalk
from veritape.wire.kis.rest import BARS_PAST, BARS_TODAY, TRADES_BY_TIME

LOOK_S = 5
"""Market seconds between two looks for holes in session."""

REAL_LOOK_NS = NANOSECONDS // 2
"""Real time between them at least, however fast a replay runs."""

ROUNDS = 2
"""Walks through what is left after the anchor: a page may have had a hole of its own (KIS-062)."""

HIGHER = tuple(lane for lane in Lane if lane < Lane.BACKFILL)
"""Lanes for which the backfill waits (OB-708)."""


@dataclass
class Brought:
    """What was fetched."""

    trades: int = 0
    shares: int = 0
    bars: int = 0


class Backfiller:
    """The backfill of one recording."""

    def __init__(self, rest: BrokerRest, clock: Clock, recording: Recording, share: float) -> None:
        self._rest = rest
        self._clock = clock
        self._recording = recording
        self._share = share
        self._budget: Budget | None = None
        self._tried: set[tuple[str, int]] = set()
        self._until_ns: int | None = None
        self.brought = Brought()
        """Everything so far."""

    async def watch(self, day: str) -> None:
        """Fetch holes in session, within the budget, until cancelled."""
        real = SystemClock()
        while True:
            due_ns = real.monotonic_ns() + REAL_LOOK_NS
            await self._clock.sleep_until(self._clock.monotonic_ns() + LOOK_S * NANOSECONDS)
            await real.sleep_until(due_ns)
            permits = self._rest.gate.figures.permits
            if self._budget is None or self._budget.permits != permits:
                self._budget = Budget(self._share, permits)
            if self._share:
                await self._fetch_old_holes(day)

    async def finish(self, day: str, until_ns: int | None = None) -> Brought:
        """Fetch everything that is left, then bars for what cannot be fetched; the session is over.

        Args:
            day: business date.
            until_ns: wall clock at which it ends, done or not; None for no end.
        """
        self._budget, self._until_ns = None, until_ns
        reparse(self._recording, day, self._clock.wall_ns())
        found, is_today = self._recording.recorder.day(day), kst(self._clock.wall_ns())[0] == day
        for _ in range(
            ROUNDS if is_today else 0
        ):  # the by-time call knows no date: another day's rows are not ours
            for code in sorted(found.lines):
                await self._fetch(day, code, self._left(found, code))
        for code in sorted(found.lines):
            if left := self._left(found, code):
                await self._fetch_bars(day, code, left)
        return self.brought

    async def _fetch_old_holes(self, day: str) -> None:
        found, now_ns = self._recording.recorder.day(day), self._clock.wall_ns()
        for code in sorted(found.watches):
            old = [
                hole
                for hole in found.line(code).axis.holes()
                if now_ns - hole.found_ns >= PATIENCE_NS and (code, hole.left.chain_shares) not in self._tried
            ]
            self._tried |= {(code, hole.left.chain_shares) for hole in old}
            await self._fetch(day, code, old)

    def _left(self, day: Day, code: str) -> list[Hole]:
        """Return the holes of the present epoch that fetched rows do not tile."""
        epoch = len(day.line(code).axes) - 1
        gaps = audit.state(day, code).gaps if day.watches.get(code) else ()
        return [gap.filling.hole for gap in gaps if gap.epoch == epoch and not gap.filling.tiled]

    async def _fetch(self, day: str, code: str, holes: Sequence[Hole]) -> None:
        """Walk down through holes of one code; what a page brings serves all of them."""
        pages: list[TimedTrade] = []
        for hole in reversed(holes):
            left, right = hole.left.chain_shares, hole.right.chain_shares
            walk = TailWalk(left, right, min(hole.right.event_s, DAY_SECONDS - 1))
            walk.offer(pages)
            while not walk.over and self._may_ask(day):
                page = await self._page(code, walk.cursor_s)
                pages += page
                walk.receive(page)
        self._keep(day, code, pages)

    def _keep(self, day: str, code: str, pages: Sequence[TimedTrade]) -> None:
        """Write the rows that fill something; they count from then on."""
        found, now_ns = self._recording.recorder.day(day), self._clock.wall_ns()
        epoch = len(found.line(code).axes) - 1
        rows = [
            Fetched(
                code,
                row.event_s,
                row.price,
                row.shares,
                row.chain_shares,
                Source.BY_TIME,
                now_ns // 1000,
                "",
                epoch,
            )
            for row in {row.chain_shares: row for row in pages}.values()
        ]
        accepted = acceptable(found, self._recording.venue, code, rows)
        if accepted:
            self._recording.backfill.add_trades(day, accepted, now_ns)
            found.fetched.setdefault(code, []).extend(accepted)
            self.brought.trades += len(accepted)
            self.brought.shares += sum(row.shares for row in accepted)

    async def _page(self, code: str, second: int) -> list[TimedTrade]:
        """Return one page of the by-time call; nothing when it cannot be read."""
        await self._permission()
        query = {
            "FID_COND_MRKT_DIV_CODE": "J",
            "FID_INPUT_ISCD": code,
            "FID_INPUT_HOUR_1": _clock_text(second),
        }
        answer = await self._rest.quotation(TRADES_BY_TIME, query, Lane.BACKFILL)
        rows = timed_trades_of(answer) if answer.reaction is Reaction.OK else AnswerReason.MISSING_OUTPUT
        return [] if isinstance(rows, AnswerReason) else rows

    async def _fetch_bars(self, day: str, code: str, holes: Sequence[Hole]) -> None:
        """Fetch the minutes from the first to the last hole, and the day's first, which tells what labels mean."""
        today, now_s = kst(self._clock.wall_ns())
        open_s = self._recording.recorder.day(day).open_s
        latest = min(holes[-1].right.event_s // MINUTE_S * MINUTE_S + MINUTE_S, DAY_SECONDS - MINUTE_S)
        newest = min(latest, last_minute_over(now_s)) if today == day else latest
        walk = BarWalk(BARS_TODAY if today == day else BARS_PAST, open_s, newest)
        while not walk.over and not self._is_late():
            query = _bars_query(code, day, walk)
            answer = await self._rest.quotation(walk.call, query, Lane.BACKFILL)
            bars = bars_of(answer, day, walk.cursor_s) if answer.reaction is Reaction.OK else []
            walk.receive([] if isinstance(bars, AnswerReason) else bars)
        if walk.bars:
            now_ns = self._clock.wall_ns()
            self._recording.backfill.add_bars(day, code, walk.bars.values(), walk.call.tr_id, now_ns)
            self._recording.recorder.day(day).bars[code] = dict(walk.bars)
            self.brought.bars += len(walk.bars)

    def _may_ask(self, day: str) -> bool:
        """Tell whether the by-time call still speaks of the day: it knows no date, and answers for the present one."""
        return not self._is_late() and kst(self._clock.wall_ns())[0] == day

    def _is_late(self) -> bool:
        return self._until_ns is not None and self._clock.wall_ns() >= self._until_ns

    async def _permission(self) -> None:
        """Wait until the budget grants a call; after the session there is none."""
        while self._budget is not None:
            waiting = any(self._rest.gate.lanes[lane].waiting for lane in HIGHER)
            now_ns = self._clock.monotonic_ns()
            wait_ns = self._budget.wait_ns(now_ns, others_wait=waiting)
            if wait_ns == 0:
                return
            await self._clock.sleep_until(now_ns + wait_ns)


def _bars_query(code: str, day: str, walk: BarWalk) -> dict[str, str]:
    query = {
        "FID_COND_MRKT_DIV_CODE": "J",
        "FID_INPUT_ISCD": code,
        "FID_INPUT_HOUR_1": _clock_text(walk.cursor_s),
        "FID_PW_DATA_INCU_YN": "N",
    }
    if walk.call is BARS_PAST:
        return {**query, "FID_INPUT_DATE_1": day, "FID_FAKE_TICK_INCU_YN": ""}
    return {**query, "FID_ETC_CLS_CODE": ""}


def _clock_text(second: int) -> str:
    return f"{second // 3600:02}{second // 60 % 60:02}{second % 60:02}"
