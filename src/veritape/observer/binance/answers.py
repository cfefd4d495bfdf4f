"""REST bodies: total parsers of trades, aggregates, bars and the book's snapshot (OB-904, OB-992).

An aggregate, as it comes: ``{"a":26129,"p":"0.01633102","q":"4.70443515","f":27781,"l":27781,"T":1498793709153,"m":true,
"M":true}``. It stands for the trades ``f`` to ``l``: their number and the sum of their quantities are exact, the quantity
of each is not known.
"""

import json
from collections.abc import Callable
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeVar

from veritape.observer.binance.decimals import LARGEST, scaled
from veritape.observer.binance.messages import BUYER, LARGEST_MS, MICROSECONDS, SELLER, Levels, levels

BODY_BYTES: Final = 8 << 20
"""Largest body that is read."""

AGGREGATE_TRADES: Final = 100_000
"""Most trades of one aggregate: far above any taker's fills at one price."""

BAR_FIELDS: Final = 12
"""Members of one bar."""


class AnswerReason(StrEnum):
    """Why a body is not read."""

    TOO_LARGE = "too_large"
    """Longer than ``BODY_BYTES``."""
    BAD_JSON = "bad_json"
    """Not JSON, or not of the kind that was asked for."""
    BAD_ROW = "bad_row"
    """A row with a missing field, a field of another type, or a number outside its range."""
    OUT_OF_ORDER = "out_of_order"
    """Ids that do not rise from row to row."""
    VENUE_ERROR = "venue_error"
    """``{"code": ..., "msg": ...}``: the venue says why it gives none."""


class Aggregate(NamedTuple):
    """Trades ``first_id`` to ``last_id`` of one taker at one price; a single trade is one of them."""

    aggregate_id: int
    """The venue's id of the aggregate; of a single trade its own."""
    first_id: int
    last_id: int
    event_us: int
    """Microseconds UTC."""
    price: int
    """Times 10^8."""
    quantity: int
    """Of all its trades together, times 10^8."""
    side: int
    """1 buyer took, 5 seller took."""

    @property
    def trades(self) -> int:
        """Return how many trades it stands for."""
        return self.last_id - self.first_id + 1


class Bar(NamedTuple):
    """What traded from one moment to another."""

    open_us: int
    """First microsecond."""
    close_us: int
    """First microsecond of the next bar."""
    open: int
    high: int
    low: int
    close: int
    quantity: int
    """Times 10^8."""
    trades: int
    """How many."""


class Snapshot(NamedTuple):
    """The book after an update."""

    last_update_id: int
    bids: Levels
    asks: Levels


class Refused(NamedTuple):
    """A body that is not read."""

    reason: AnswerReason
    code: int = 0
    """The venue's error code, 0 without one."""


RowT = TypeVar("RowT")


def read_aggregates(data: bytes) -> tuple[Aggregate, ...] | Refused:
    """Read an answer of ``aggTrades``."""
    return _rising(_rows(data, _aggregate))


def read_trades(data: bytes) -> tuple[Aggregate, ...] | Refused:
    """Read an answer of ``historicalTrades`` or ``trades``: aggregates of one trade each."""
    return _rising(_rows(data, _single))


def read_bars(data: bytes) -> tuple[Bar, ...] | Refused:
    """Read an answer of ``klines``."""
    bars = _rows(data, _bar)
    if isinstance(bars, Refused) or all(a.close_us <= b.open_us for a, b in pairwise(bars)):
        return bars
    return Refused(AnswerReason.OUT_OF_ORDER)


def read_snapshot(data: bytes) -> Snapshot | Refused:
    """Read an answer of ``depth``."""
    document = _document(data)
    if isinstance(document, Refused):
        return document
    if not isinstance(document, dict):
        return Refused(AnswerReason.BAD_JSON)
    last_id = _integer(document.get("lastUpdateId"), LARGEST)
    bids, asks = levels(document.get("bids")), levels(document.get("asks"))
    if last_id is None or bids is None or asks is None:
        return Refused(AnswerReason.BAD_ROW)
    return Snapshot(last_id, bids, asks)


def _document(data: bytes) -> Any:
    """Return a body's JSON value, or why there is none."""
    if len(data) > BODY_BYTES:
        return Refused(AnswerReason.TOO_LARGE)
    try:
        document = json.loads(data.decode())
    except (ValueError, RecursionError):
        return Refused(AnswerReason.BAD_JSON)
    if isinstance(document, dict) and type(document.get("code")) is int and "msg" in document:
        return Refused(AnswerReason.VENUE_ERROR, document["code"])
    return document


def _rows(data: bytes, read: Callable[[Any], RowT | None]) -> tuple[RowT, ...] | Refused:
    document = _document(data)
    if isinstance(document, Refused):
        return document
    if not isinstance(document, list):
        return Refused(AnswerReason.BAD_JSON)
    rows = []
    for item in document:
        row = read(item)
        if row is None:
            return Refused(AnswerReason.BAD_ROW)
        rows.append(row)
    return tuple(rows)


def _rising(rows: tuple[Aggregate, ...] | Refused) -> tuple[Aggregate, ...] | Refused:
    if isinstance(rows, Refused) or all(
        a.aggregate_id < b.aggregate_id and a.last_id < b.first_id and a.event_us <= b.event_us
        for a, b in pairwise(rows)
    ):
        return rows
    return Refused(AnswerReason.OUT_OF_ORDER)


def _aggregate(row: Any) -> Aggregate | None:
    if not isinstance(row, dict):
        return None
    ids = [_integer(row.get(name), LARGEST) for name in ("a", "f", "l")]
    return _made(ids, row.get("T"), row.get("p"), row.get("q"), row.get("m"))


def _single(row: Any) -> Aggregate | None:
    if not isinstance(row, dict):
        return None
    one = _integer(row.get("id"), LARGEST)
    return _made([one, one, one], row.get("time"), row.get("price"), row.get("qty"), row.get("isBuyerMaker"))


def _made(ids: list[int | None], time_ms: Any, price: Any, quantity: Any, maker: Any) -> Aggregate | None:
    aggregate_id, first_id, last_id = ids
    ms, cost, amount = _integer(time_ms, LARGEST_MS), scaled(price), scaled(quantity)
    if aggregate_id is None or first_id is None or last_id is None or last_id < first_id or ms is None:
        return None
    trades = last_id - first_id + 1
    if not cost or not amount or not trades <= min(amount, AGGREGATE_TRADES) or not isinstance(maker, bool):
        return None
    side = SELLER if maker else BUYER
    return Aggregate(aggregate_id, first_id, last_id, ms * MICROSECONDS, cost, amount, side)


def _bar(row: Any) -> Bar | None:
    if not isinstance(row, list) or len(row) != BAR_FIELDS:
        return None
    opened, closed, trades = (_integer(row[place], LARGEST_MS) for place in (0, 6, 8))
    prices = [scaled(row[place]) for place in (1, 2, 3, 4)]
    quantity = scaled(row[5])
    if opened is None or closed is None or closed < opened or trades is None or quantity is None:
        return None
    first, high, low, last = (price or 0 for price in prices)
    if None in prices or not low <= min(first, last) <= max(first, last) <= high:
        return None
    end_us = (closed + 1) * MICROSECONDS
    return Bar(opened * MICROSECONDS, end_us, first, high, low, last, quantity, trades)


def _integer(value: Any, largest: int) -> int | None:
    return value if type(value) is int and 0 <= value <= largest else None
