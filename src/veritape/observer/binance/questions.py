"""What is asked of the venue's REST side, and how an answer stands in the journal (OB-504, OB-904, OB-905).

Every answer is journalled before it is believed, as one line of canonical JSON that says what was asked, a line feed, and
the body as it came:

``{"code":"BTCUSDT","parameters":{"limit":"1","symbol":"BTCUSDT"},"path":"/api/v3/aggTrades","purpose":"tip","status":200}``
"""

import json
from enum import StrEnum
from typing import Any, Final, NamedTuple

from veritape.kernel.canonical import Json, canonical_json
from veritape.observer.binance.trade_ids import DAY_US, Hole, day_start_us
from veritape.wire.binance.rest import AGGREGATES, DEPTH, HISTORICAL_TRADES, KLINES, Endpoint

OK: Final = 200
"""Status of an answer with content."""

MINUTE_US: Final = 60_000_000
"""Microseconds of a bar."""


class Purpose(StrEnum):
    """Why something is asked."""

    TIP = "tip"
    """The newest trade id: the anchor of a recording's beginning, and what the stream must reach."""
    END = "end"
    """The newest trades once the stream is closed: the anchor of a recording's end."""
    DAY_START = "day_start"
    """The first trade id of a day, where the recording missed midnight."""
    FILL = "fill"
    """The trades of a hole."""
    SNAPSHOT = "snapshot"
    """The book, once its chain broke."""
    BARS = "bars"
    """What traded in the minutes of a hole that stays."""


class Question(NamedTuple):
    """One call."""

    purpose: Purpose
    code: str
    endpoint: Endpoint
    parameters: tuple[tuple[str, str], ...]
    """Sorted by name."""


class Answered(NamedTuple):
    """An answer as it stands in the journal."""

    purpose: Purpose
    code: str
    path: str
    parameters: dict[str, str]
    status: int
    body: bytes


def ask_tip(code: str) -> Question:
    """Ask for the newest trade."""
    return _question(Purpose.TIP, code, AGGREGATES, limit=1)


def ask_end(code: str) -> Question:
    """Ask for the newest trades, as many as there are to have: they reach back to before the stream's last message."""
    return _question(Purpose.END, code, AGGREGATES, limit=AGGREGATES.rows)


def ask_day_start(code: str, day: str) -> Question:
    """Ask for the first trade of a day."""
    return _question(Purpose.DAY_START, code, AGGREGATES, limit=1, startTime=_milliseconds(day_start_us(day)))


def ask_snapshot(code: str) -> Question:
    """Ask for the book."""
    return _question(Purpose.SNAPSHOT, code, DEPTH, limit=DEPTH.rows)


def ask_trades(code: str, hole: Hole) -> Question:
    """Ask for a page of single trades from a hole on: it costs the same however long, and may fill the holes behind too."""
    return _question(
        Purpose.FILL, code, HISTORICAL_TRADES, limit=HISTORICAL_TRADES.rows, fromId=hole.first_id
    )


def ask_aggregates(code: str, hole: Hole, next_aggregate: int | None) -> Question:
    """Ask for aggregates from a hole's left edge on.

    Args:
        code: symbol.
        hole: what is missing.
        next_aggregate: id of the aggregate that follows the left edge, where a page before ended there.
    """
    if next_aggregate is not None:
        return _question(Purpose.FILL, code, AGGREGATES, limit=AGGREGATES.rows, fromId=next_aggregate)
    start = _milliseconds(hole.left.event_us)
    return _question(Purpose.FILL, code, AGGREGATES, limit=AGGREGATES.rows, startTime=start)


def ask_bars(code: str, hole: Hole) -> Question:
    """Ask for the bars of the minutes that a hole touches."""
    start = hole.left.event_us // MINUTE_US * MINUTE_US
    return _question(
        Purpose.BARS, code, KLINES, interval="1m", limit=KLINES.rows, startTime=_milliseconds(start),
        endTime=_milliseconds(min(hole.right.event_us, start + DAY_US)),
    )  # fmt: skip


def answer_bytes(question: Question, status: int, body: bytes) -> bytes:
    """Return an answer as it is journalled."""
    line: dict[str, Json] = {
        "code": question.code, "parameters": dict(question.parameters), "path": question.endpoint.path,
        "purpose": question.purpose.value, "status": status,
    }  # fmt: skip
    return canonical_json(line) + b"\n" + body


def read_answer(data: bytes) -> Answered | None:
    """Read a journalled answer; None for any bytes that are none (OB-992)."""
    head, _, body = data.partition(b"\n")
    try:
        line: Any = json.loads(head)
        purpose = Purpose(line["purpose"])
        code, path, parameters, status = line["code"], line["path"], line["parameters"], line["status"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not (isinstance(code, str) and isinstance(path, str) and type(status) is int):
        return None
    if not isinstance(parameters, dict) or not all(isinstance(value, str) for value in parameters.values()):
        return None
    return Answered(purpose, code, path, parameters, status, body)


def _question(purpose: Purpose, code: str, endpoint: Endpoint, **parameters: str | int) -> Question:
    named = {"symbol": code, **{name: str(value) for name, value in parameters.items()}}
    return Question(purpose, code, endpoint, tuple(sorted(named.items())))


def _milliseconds(moment_us: int) -> int:
    return moment_us // 1000
