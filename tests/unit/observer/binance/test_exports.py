"""A trade's line."""

import json

from tests.binance import FIRST, trades

from veritape.observer.binance.exports import trade_line
from veritape.observer.binance.recorder import Row


def test_a_line_has_the_fields_of_a_segment_with_units_in_their_names() -> None:
    """OB-721, OB-722, OB-003: integers with a stated scale; canonical JSON."""
    trade = trades(FIRST)[0]
    line = trade_line(Row(trade, 3, 5))
    assert json.loads(line) == {
        "code": trade.code, "trade_id": trade.trade_id, "sequence": 3, "event_us": trade.event_us, "received_us": 5,
        "price_e8": trade.price, "quantity_e8": trade.quantity, "side": trade.side,
    }  # fmt: skip
