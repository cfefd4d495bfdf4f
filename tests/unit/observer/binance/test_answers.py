"""REST bodies: every value, every refusal, any bytes."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.binance import ANYTHING, FIRST, captured

from veritape.observer.binance.answers import (
    BODY_BYTES,
    Aggregate,
    AnswerReason,
    Bar,
    Refused,
    Snapshot,
    read_aggregates,
    read_bars,
    read_snapshot,
    read_trades,
)

AGGREGATE: dict[str, Any] = {
    "a": 26129, "p": "0.01633102", "q": "4.70443515", "f": 27781, "l": 27783, "T": 1498793709153, "m": True, "M": True,
}  # fmt: skip
SINGLE: dict[str, Any] = {
    "id": 28457, "price": "4.00000100", "qty": "12.00000000", "quoteQty": "48.000012", "time": 1499865549590,
    "isBuyerMaker": True, "isBestMatch": True,
}  # fmt: skip
BAR: list[Any] = [
    1499040000000, "0.01634790", "0.80000000", "0.01575800", "0.01577100", "148976.11427815", 1499040059999,
    "2434.19055334", 308, "1756.87402397", "28.46694368", "0",
]  # fmt: skip
BOOK: dict[str, Any] = {"lastUpdateId": 1027024, "bids": [["4.0", "431.0"]], "asks": [["4.00000200", "12.0"]]}
READERS: dict[str, tuple[Callable[[bytes], Any], Any]] = {
    "aggregates": (read_aggregates, [AGGREGATE]),
    "trades": (read_trades, [SINGLE]),
    "bars": (read_bars, [BAR]),
    "snapshot": (read_snapshot, BOOK),
}


def body(value: object) -> bytes:
    return json.dumps(value).encode()


def test_an_aggregate_of_three_trades() -> None:
    """OB-904: the number of trades and their quantity together are exact."""
    one = Aggregate(26129, 27781, 27783, 1498793709153000, 1633102, 470443515, 5)
    assert read_aggregates(body([AGGREGATE])) == (one,)
    assert one.trades == 3


def test_a_single_trade_is_an_aggregate_of_one() -> None:
    """OB-904: ``historicalTrades``."""
    assert read_trades(body([SINGLE])) == (
        Aggregate(28457, 28457, 28457, 1499865549590000, 400000100, 1200000000, 5),
    )


def test_a_bar() -> None:
    """OB-904: trade count and volume of a minute."""
    assert read_bars(body([BAR])) == (
        Bar(1499040000000000, 1499040060000000, 1634790, 80000000, 1575800, 1577100, 14897611427815, 308),
    )


def test_a_snapshot() -> None:
    """OB-903: the book after an update."""
    assert read_snapshot(body(BOOK)) == Snapshot(
        1027024, ((400000000, 43100000000),), ((400000200, 1200000000),)
    )


def test_the_snapshot_of_the_capture() -> None:
    """OB-906: 1,000 levels a side."""
    (line,) = (line for line in captured(FIRST) if line.stream == "snapshot")
    found = read_snapshot(line.data)
    assert isinstance(found, Snapshot)
    assert (found.last_update_id, len(found.bids), len(found.asks)) == (50093239218, 1000, 1000)


@pytest.mark.parametrize("name", READERS)
def test_what_no_reader_takes(name: str) -> None:
    """OB-991: HTML, cut bodies, errors of the venue, too much."""
    read, _ = READERS[name]
    assert read(b"<html>") == Refused(AnswerReason.BAD_JSON)
    assert read(b"[" * 100_000) == Refused(AnswerReason.BAD_JSON)
    assert read(b"\xff") == Refused(AnswerReason.BAD_JSON)
    assert read(b"5") == Refused(AnswerReason.BAD_JSON)
    assert read(b" " * (BODY_BYTES + 1)) == Refused(AnswerReason.TOO_LARGE)
    error = {"code": -1003, "msg": "Too much request weight used"}
    assert read(body(error)) == Refused(AnswerReason.VENUE_ERROR, -1003)


@pytest.mark.parametrize(
    "change",
    [{"a": None}, {"f": "1"}, {"l": 27780}, {"T": -1}, {"p": "0"}, {"q": "0"}, {"q": "0.00000002"}, {"q": 4.7},
     {"m": None}, {"p": "-1"}],
)  # fmt: skip
def test_rows_that_are_not_read(change: dict[str, Any]) -> None:
    """OB-991: a wrong field refuses the answer; each trade of an aggregate moves at least one unit."""
    assert read_aggregates(body([AGGREGATE | change])) == Refused(AnswerReason.BAD_ROW)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("aggregates", [5]),
        ("trades", [5]),
        ("trades", [SINGLE | {"id": None}]),
        ("bars", [{}]),
        ("bars", [BAR[:-1]]),
        ("bars", [[*BAR[:2], "0.01", *BAR[3:]]]),
        ("bars", [[*BAR[:6], 5, *BAR[7:]]]),
        ("bars", [[None, *BAR[1:]]]),
        ("snapshot", {"lastUpdateId": 5, "bids": [], "asks": None}),
        ("snapshot", {"lastUpdateId": "5", "bids": [], "asks": []}),
    ],
)
def test_rows_of_another_shape(name: str, rows: object) -> None:
    """OB-991: of every answer."""
    assert READERS[name][0](body(rows)) == Refused(AnswerReason.BAD_ROW)


def test_rows_that_do_not_rise() -> None:
    """OB-991: ids and times rise from row to row."""
    again = AGGREGATE | {"a": 26130, "f": 27784, "l": 27784}
    assert isinstance(read_aggregates(body([AGGREGATE, again])), tuple)
    for change in ({"a": 26129}, {"f": 27783}, {"T": 5}):
        refused = Refused(AnswerReason.OUT_OF_ORDER)
        assert read_aggregates(body([AGGREGATE, again | change])) == refused
    assert read_bars(body([BAR, BAR])) == Refused(AnswerReason.OUT_OF_ORDER)


@given(st.sampled_from(sorted(READERS)), st.binary(max_size=200))
def test_any_bytes(name: str, data: bytes) -> None:
    """OB-992: a value or a reason, never another error."""
    found = READERS[name][0](data)
    assert isinstance(found, Refused | Snapshot) or found == ()


@given(st.sampled_from(sorted(READERS)), st.data())
def test_any_change_of_a_row(name: str, data: st.DataObject) -> None:
    """OB-992: a member of any kind in any place gives a value or a reason."""
    read, sample = READERS[name]
    row = sample if isinstance(sample, dict) else sample[0]
    changed: Any = dict(row) if isinstance(row, dict) else list(row)
    places = sorted(changed) if isinstance(changed, dict) else range(len(changed))
    for place in data.draw(st.lists(st.sampled_from(list(places)), max_size=3)):
        changed[place] = data.draw(ANYTHING)
    found = read(body(changed if sample is row else [changed]))
    assert isinstance(found, Refused | Snapshot) or len(found) == 1
