"""A trade of Binance as a line of a window file (OB-721)."""

from veritape.kernel.canonical import canonical_json
from veritape.observer.binance.recorder import Row


def trade_line(row: Row) -> bytes:
    """Return a trade's line: the fields of a segment, prices and quantities times 10^8 as their names say."""
    trade = row.trade
    return canonical_json(
        {
            "code": trade.code, "trade_id": trade.trade_id, "sequence": row.sequence, "event_us": trade.event_us,
            "received_us": row.received_us, "price_e8": trade.price, "quantity_e8": trade.quantity, "side": trade.side,
        }
    )  # fmt: skip
