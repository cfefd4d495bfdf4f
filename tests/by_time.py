"""A broker's by-time and bar calls over the bundled day, as answers without a network, and a clock that stands."""

import asyncio
from typing import Any

from tests.tape import DAY, MIDNIGHT_NS, bundled

from veritape.observer.lanes import Lane, LaneFigures
from veritape.observer.reactions import Answer, Reaction
from veritape.replay.series import Trade
from veritape.wire.kis.rest import TRADES_BY_TIME, Call


class Still:
    """A clock whose sleeps take no time."""

    def __init__(self, ms: int) -> None:
        self.now_ns = MIDNIGHT_NS + ms * 1_000_000

    def wall_ns(self) -> int:
        return self.now_ns

    def monotonic_ns(self) -> int:
        return self.now_ns

    async def sleep_until(self, monotonic_ns: int) -> None:
        self.now_ns = max(self.now_ns, monotonic_ns)
        await asyncio.sleep(0)


class Calls:
    """What ``BrokerRest`` offers to the backfill, answered from the tape."""

    def __init__(self, until_ms: int, *, page_hole: bool = False) -> None:
        self.until_ms = until_ms
        self.page_hole = page_hole
        """Whether the first page lacks all rows but its oldest."""
        self.asked: list[Call] = []
        self.waiting = 0
        """Callers of other lanes."""
        self.bars: list[dict[str, str]] = []
        """Rows of the bar calls, newest first."""

    async def quotation(self, call: Call, query: dict[str, str], lane: Lane) -> Answer:
        assert lane is Lane.BACKFILL
        self.asked.append(call)
        hour = query["FID_INPUT_HOUR_1"]
        if call is TRADES_BY_TIME:
            rows = self.by_time(query["FID_INPUT_ISCD"], hour)
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

    def by_time(self, code: str, hour: str) -> list[dict[str, str]]:
        """Return the newest 30 trades at or before a second, newest first."""
        end_ms = (int(hour[:2]) * 3600 + int(hour[2:4]) * 60 + int(hour[4:]) + 1) * 1000 - 1
        series = bundled(code)
        end = series.happened(min(end_ms, self.until_ms - 1))
        return [_row(trade) for trade in reversed(series.trades[max(0, end - TRADES_BY_TIME.rows) : end])]

    def minute_bars(self, code: str) -> list[dict[str, str]]:
        """Return every bar up to the end, newest first."""
        minutes: dict[int, list[Trade]] = {}
        for trade in bundled(code).until(self.until_ms).trades:
            minutes.setdefault(trade.ms // 60_000 * 60, []).append(trade)
        return [
            {"stck_bsop_date": DAY, "stck_cntg_hour": clock(minute), "stck_oprc": str(own[0].price),
             "stck_hgpr": str(max(t.price for t in own)), "stck_lwpr": str(min(t.price for t in own)),
             "stck_prpr": str(own[-1].price), "cntg_vol": str(sum(t.shares for t in own)),
             "acml_tr_pbmn": str(own[-1].chain_value)}
            for minute, own in sorted(minutes.items(), reverse=True)
        ]  # fmt: skip


def clock(second: int) -> str:
    return f"{second // 3600:02}{second // 60 % 60:02}{second % 60:02}"


def _row(trade: Trade) -> dict[str, str]:
    return {
        "stck_cntg_hour": clock(trade.ms // 1000), "stck_prpr": str(trade.price), "acml_vol": str(trade.chain_shares),
        "cnqn": str(trade.shares),
    }  # fmt: skip
