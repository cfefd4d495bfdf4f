"""The two captures of Binance spot as frames, and what is true of them by the captures alone."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import zstandard
from hypothesis import strategies as st

from veritape.observer.binance.messages import Trade, parse_message
from veritape.observer.journal import Frame, Kind

FOLDER = Path(__file__).parent / "vectors" / "binance"
FIRST, SECOND = "20240808", "20240809"
CODE = "BTCUSDT"
FIRST_ID, SPLIT_ID, LAST_ID = 3_735_683_259, 3_735_693_015, 3_735_703_162
MIDNIGHT_ID = 3_735_692_997
"""First trade of 2024-08-09 by the venue's time: 19 before the split of the files."""

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["1.5", "BTCUSDT", "trade"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
"""Any JSON value, and what a JSON writer makes of other floats."""


class Captured(NamedTuple):
    """One line of a capture."""

    received_ns: int
    data: bytes
    stream: str
    """The stream's kind; ``snapshot`` for the REST body."""


@cache
def captured(day: str) -> tuple[Captured, ...]:
    """Return the lines of a capture."""
    text = zstandard.ZstdDecompressor().decompress((FOLDER / f"spot_btcusdt_{day}.zst").read_bytes())
    lines = (line.split(b" ", 1) for line in text.splitlines())
    return tuple(Captured(int(stamp), data, _stream(data)) for stamp, data in lines)


def _stream(data: bytes) -> str:
    head = data[:40].decode()
    return head.split('"')[3].partition("@")[2] if head.startswith('{"stream"') else "snapshot"


def frames(*days: str, streams: tuple[str, ...] = ("trade",), connection: int = 1) -> Iterator[Frame]:
    """Yield the messages of captures as journal frames."""
    wanted = [line for day in days for line in captured(day) if line.stream in streams]
    for sequence, line in enumerate(wanted, 1):
        yield Frame(Kind.TEXT, connection, sequence, line.received_ns, line.received_ns, line.data)


@cache
def trades(*days: str) -> tuple[Trade, ...]:
    """Return the trades of captures, read by the parser under test; ``raw_trades`` reads them without it."""
    found = [parse_message(frame.data) for frame in frames(*days)]
    return tuple(one for one in found if isinstance(one, Trade))


@cache
def raw_trades(*days: str) -> tuple[dict[str, Any], ...]:
    """Return the events as the JSON library reads them: the truth that the parser is compared with."""
    return tuple(json.loads(frame.data)["data"] for frame in frames(*days))


@cache
def aggregates() -> tuple[dict[str, Any], ...]:
    """Return both captures' trades as the venue aggregates them: fills at one time, price and side."""
    found: list[dict[str, Any]] = []
    for event in raw_trades(FIRST, SECOND):
        last = found[-1] if found else None
        if last is not None and (last["T"], last["p"], last["m"]) == (event["T"], event["p"], event["m"]):
            last["l"], last["q"] = event["t"], f"{Decimal(last['q']) + Decimal(event['q']):.8f}"
        else:
            named = {name: event[name] for name in ("p", "q", "T", "m", "M")}
            found.append({"a": 9_000 + len(found), "f": event["t"], "l": event["t"], **named})
    return tuple(found)


class Venue:
    """The REST side of the captures: what the real one would have answered, from the captures alone."""

    def __init__(self, *, single_trades: bool = True, until_id: int = LAST_ID) -> None:
        self.single_trades = single_trades
        """Whether ``historicalTrades`` is served."""
        self.until_id = until_id
        """Newest trade that has happened."""

    def answer(self, path: str, parameters: Mapping[str, str]) -> tuple[int, bytes]:
        """Return status and body."""
        limit = int(parameters.get("limit", "500"))
        if path == "/api/v3/aggTrades":
            return 200, json.dumps(self._aggregates(parameters, limit)).encode()
        if path == "/api/v3/historicalTrades" and self.single_trades:
            return 200, json.dumps(self._trades(int(parameters["fromId"]), limit)).encode()
        if path == "/api/v3/klines":
            return 200, json.dumps(
                self._bars(int(parameters["startTime"]), int(parameters["endTime"]))
            ).encode()
        if path == "/api/v3/depth":
            return 200, next(line.data for line in captured(FIRST) if line.stream == "snapshot")
        return 404, b'{"code":-1,"msg":"no such endpoint"}'

    def _aggregates(self, parameters: Mapping[str, str], limit: int) -> list[dict[str, Any]]:
        happened = [one for one in aggregates() if one["l"] <= self.until_id]
        if "fromId" in parameters:
            return [one for one in happened if one["a"] >= int(parameters["fromId"])][:limit]
        if "startTime" in parameters:
            return [one for one in happened if one["T"] >= int(parameters["startTime"])][:limit]
        return happened[-limit:]

    def _trades(self, from_id: int, limit: int) -> list[dict[str, Any]]:
        happened = [one for one in raw_trades(FIRST, SECOND) if from_id <= one["t"] <= self.until_id]
        return [
            {"id": one["t"], "price": one["p"], "qty": one["q"], "quoteQty": "0", "time": one["T"],
             "isBuyerMaker": one["m"], "isBestMatch": True}
            for one in happened[:limit]
        ]  # fmt: skip

    def _bars(self, start_ms: int, end_ms: int) -> list[list[Any]]:
        bars: list[list[Any]] = []
        for one in raw_trades(FIRST, SECOND):
            minute = one["T"] // 60_000 * 60_000
            if not start_ms <= minute <= end_ms or one["t"] > self.until_id:
                continue
            if not bars or bars[-1][0] != minute:
                bars.append([minute, *[one["p"]] * 4, "0", minute + 59_999, "0", 0, "0", "0", "0"])
            bar = bars[-1]
            bar[2], bar[3] = max(bar[2], one["p"], key=Decimal), min(bar[3], one["p"], key=Decimal)
            bar[4], bar[5] = one["p"], f"{Decimal(bar[5]) + Decimal(one['q']):.8f}"
            bar[8] += 1
        return bars
