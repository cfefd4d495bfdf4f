"""Segments of Binance trades: their order, what binds computations to them, what a seal says of each code (OB-552, 555, 556).

The same files, seals and digests as KRX's; a row is known by its trade id in place of the broker's running totals, and of a
hole only the number of trades is known.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any, Final

from veritape.observer.binance.recorder import Row
from veritape.observer.binance.trade_ids import DAY_US
from veritape.observer.segments import TapeRow, rows_sha256
from veritape.wire.binance.streams import PRICE_SCALE

COLUMNS: Final = (
    "code", "sequence", "record", "event_us", "received_us", "price", "shares", "side", "counted", "trade_id",
)  # fmt: skip
"""Columns of a segment; ``shares`` is the quantity times 10^8."""

COUNTED: Final = True
"""Every trade has an id of its own, so every trade counts."""


def tape_row(event_us: int, side: int, price: int, quantity: int) -> TapeRow:
    """Return what a computation sees of a trade: whole seconds of the UTC day (OB-556)."""
    return TapeRow(event_us % DAY_US // 1_000_000, side, COUNTED, price, quantity)


def columns(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Return a segment's columns, of rows in order of (code, trade id)."""
    trades = [row.trade for row in rows]
    return {
        "code": [trade.code for trade in trades],
        "sequence": [row.sequence for row in rows],
        "record": [0] * len(rows),
        "event_us": [trade.event_us for trade in trades],
        "received_us": [row.received_us for row in rows],
        "price": [trade.price for trade in trades],
        "shares": [trade.quantity for trade in trades],
        "side": [trade.side for trade in trades],
        "counted": [int(COUNTED)] * len(rows),
        "trade_id": [trade.trade_id for trade in trades],
    }


def line_documents(rows: Iterable[Row], before: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Return what a seal says of each code.

    Args:
        rows: in order of (code, trade id).
        before: code -> highest trade id in the segments before.
    """
    return {
        code: _line(code, list(own), before.get(code))
        for code, own in groupby(rows, key=lambda row: row.trade.code)
    }


def last_ids(rows: Iterable[Row]) -> dict[str, int]:
    """Return the highest trade id of each code, of rows in order."""
    return {row.trade.code: row.trade.trade_id for row in rows}


def _line(code: str, rows: Sequence[Row], before: int | None) -> dict[str, Any]:
    trades = [row.trade for row in rows]
    ids = [*([] if before is None else [before]), *(trade.trade_id for trade in trades)]
    missing = [right - left - 1 for left, right in pairwise(ids) if right > left + 1]
    tape = [tape_row(trade.event_us, trade.side, trade.price, trade.quantity) for trade in trades]
    return {
        "rows": len(rows),
        "shares": sum(trade.quantity for trade in trades),
        "value": sum(trade.price * trade.quantity for trade in trades),
        "first": {"trade_id": trades[0].trade_id},
        "last": {"trade_id": trades[-1].trade_id},
        "holes": len(missing),
        "hole_trades": sum(missing),
        "hole_shares": None,
        "hole_value": None,
        "rows_sha256": rows_sha256(code, tape, PRICE_SCALE),
    }
