"""What a segment of Binance trades holds and binds."""

import hashlib
import struct

from tests.binance import CODE, FIRST, FIRST_ID, trades

from veritape.observer.binance.messages import Trade
from veritape.observer.binance.recorder import Row
from veritape.observer.binance.segments import COLUMNS, columns, last_ids, line_documents, tape_row
from veritape.observer.segments import TapeRow


def rows_of(*found: Trade) -> list[Row]:
    return [Row(one, 7, 9) for one in found]


def test_the_columns_of_binance() -> None:
    """OB-552: event_us and trade_id in place of the broker's clock and totals; quantity times 10^8 in ``shares``."""
    one = trades(FIRST)[0]
    assert columns(rows_of(one)) == {
        "code": [CODE], "sequence": [7], "record": [0], "event_us": [1723161255342000], "received_us": [9],
        "price": [6183763000000], "shares": [2000000], "side": [5], "counted": [1], "trade_id": [FIRST_ID],
    }  # fmt: skip
    assert tuple(columns([])) == COLUMNS


def test_a_computation_sees_whole_seconds_of_the_utc_day() -> None:
    """OB-556: event_s from 00:00 UTC of the segment's day."""
    one = trades(FIRST)[0]
    assert tape_row(one.event_us, one.side, one.price, one.quantity) == TapeRow(
        86_055, 5, True, 6183763000000, 2000000
    )


def test_the_digest_of_two_rows() -> None:
    """OB-556: SHA-256 of domain, code in 12 bytes, scale 8, then 24 bytes a row."""
    two = trades(FIRST)[:2]
    digest = hashlib.sha256(b"veritape.trades.v1\0BTCUSDT\0\0\0\0\0" + struct.pack("<I", 8))
    for one in two:
        second = one.event_us // 1_000_000 % 86_400
        digest.update(struct.pack("<IBBHQQ", second, one.side, 1, 0, one.price, one.quantity))
    assert line_documents(rows_of(*two), {})[CODE]["rows_sha256"] == digest.hexdigest()


def test_what_a_seal_says_of_a_code() -> None:
    """OB-555: rows, sums, first and last trade id, holes in trades: what a missing trade moved is unknown."""
    found = [trades(FIRST)[place] for place in (2, 3, 7)]
    (line,) = line_documents(rows_of(*found), {CODE: FIRST_ID}).values()
    del line["rows_sha256"]
    assert line == {
        "rows": 3, "shares": sum(one.quantity for one in found), "value": sum(one.price * one.quantity for one in found),
        "first": {"trade_id": FIRST_ID + 2}, "last": {"trade_id": FIRST_ID + 7}, "holes": 2, "hole_trades": 4,
        "hole_shares": None, "hole_value": None,
    }  # fmt: skip


def test_late_rows_and_the_first_of_all_open_no_hole() -> None:
    """OB-555: before the first row of a code nothing is known; rows behind what is sealed lie in its holes."""
    first = rows_of(*trades(FIRST)[:2])
    assert line_documents(first, {})[CODE]["holes"] == 0
    assert line_documents(first, {CODE: FIRST_ID + 500})[CODE]["holes"] == 0
    assert last_ids(first) == {CODE: FIRST_ID + 1}
    assert last_ids([]) == {}
