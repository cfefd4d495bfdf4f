"""Lines of the truth file: what the market did and what became of every frame (OB-809).

JSON lines, closed by a summary. The recorder never reads it; tests and reports compare with it. Example, shortened::

    {"kind":"start","format":"veritape.truth.v1","seed":7,"day":"20131007","symbols":["990001"],"settings":{...}}
    {"kind":"trade","code":"990001","n":1,"ms":32400000,"price":1819000,"shares":100,...,"frame":1}
    {"kind":"frame","n":1,"code":"990001","records":1,"emit_ms":32400030,"fate":"sent","faults":[],"sessions":[1]}
    {"kind":"end","codes":{"990001":{"trades":1,"uncounted":0,"shares":100,"value_krw":181900000,...}}}
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from veritape.replay.delivery import Fate, Outcome
from veritape.replay.packing import Frame
from veritape.replay.series import Series, Trade


@dataclass
class _Totals:
    """What happened to one code so far."""

    last: Trade | None = None
    trades: int = 0
    uncounted: int = 0
    trades_sent: int = 0

    def summary(self) -> dict[str, int]:
        last = self.last
        return {
            "trades": self.trades,
            "uncounted": self.uncounted,
            "shares": last.chain_shares if last else 0,
            "value_krw": last.chain_value if last else 0,
            "sells": last.sells if last else 0,
            "buys": last.buys if last else 0,
            "trades_sent": self.trades_sent,
        }


@dataclass
class Truth:
    """Account of one day; every method returns the lines to append."""

    codes: Iterable[str]
    """Every code that is played."""
    _totals: dict[str, _Totals] = field(init=False)

    def __post_init__(self) -> None:
        self._totals = {code: _Totals() for code in self.codes}

    def start(self, day: str, seed: int, settings: Mapping[str, Any]) -> str:
        """Return the first line."""
        head = {"kind": "start", "format": "veritape.truth.v1", "seed": seed, "day": day}
        return _line({**head, "symbols": sorted(self._totals), "settings": settings})

    def frame(self, frame: Frame, series: Series, outcome: Outcome, sessions: list[int]) -> str:
        """Account for one frame: its trades happened, whatever became of it.

        Args:
            frame: which one.
            series: its code's day.
            outcome: its fate and the faults that struck it.
            sessions: numbers of the connections that it was sent to.
        """
        totals = self._totals[frame.code]
        trades = series.trades[frame.first : frame.end]
        lines = [
            f'{{"kind":"trade","code":"{frame.code}","n":{number},"ms":{t.ms},"price":{t.price},"shares":{t.shares},"side":{t.side},'
            f'"counted":{int(t.counted)},"chain_shares":{t.chain_shares},"chain_value":{t.chain_value},"sells":{t.sells},'
            f'"buys":{t.buys},"frame":{frame.number}}}\n'
            for number, t in enumerate(trades, frame.first + 1)
        ]
        counted = sum(trade.counted for trade in trades)
        totals.last = trades[-1]
        totals.trades += counted
        totals.uncounted += len(trades) - counted
        totals.trades_sent += counted if outcome.fate is Fate.SENT else 0
        lines.append(
            f'{{"kind":"frame","n":{frame.number},"code":"{frame.code}","records":{len(trades)},"emit_ms":{frame.emit_ms},'
            f'"fate":"{outcome.fate}","faults":{json.dumps(outcome.faults)},"sessions":{json.dumps(sessions)}}}\n'
        )
        return "".join(lines)

    @staticmethod
    def event(ms: int, kind: str, detail: Mapping[str, Any]) -> str:
        """Return the line of an acknowledgement, a refusal, a limit or a fault."""
        return _line({"kind": "event", "ms": ms, "event": kind, "detail": detail})

    def end(self) -> str:
        """Return the summary that closes the file."""
        return _line({"kind": "end", "codes": {code: one.summary() for code, one in self._totals.items()}})


def _line(document: Mapping[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":")) + "\n"
