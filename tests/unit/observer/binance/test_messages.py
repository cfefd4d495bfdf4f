"""Messages of the streams: every value, every refusal, any bytes."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.binance import ANYTHING, CODE, FIRST, SECOND, captured, raw_trades, trades

from veritape.observer.binance.messages import (
    BUYER,
    FRAME_BYTES,
    SELLER,
    BookTicker,
    DepthUpdate,
    MessageReason,
    Refusal,
    Shutdown,
    Trade,
    parse_message,
    stream_path,
)

TRADE: dict[str, Any] = {
    "e": "trade", "E": 1723161255343, "s": "BTCUSDT", "t": 3735683259, "p": "61837.63000000", "q": "0.02000000",
    "T": 1723161255342, "m": True, "M": True,
}  # fmt: skip
DEPTH: dict[str, Any] = {
    "e": "depthUpdate", "E": 1723161255308, "s": "BTCUSDT", "U": 50093239203, "u": 50093239207,
    "b": [["55653.87000000", "0.00000000"]], "a": [],
}  # fmt: skip
BOOK: dict[str, Any] = {"u": 7, "s": "BTCUSDT", "b": "1.5", "B": "2", "a": "1.6", "A": "0.00000001"}
STREAMS = {"btcusdt@trade": TRADE, "btcusdt@depth@100ms": DEPTH, "btcusdt@bookTicker": BOOK}


def text(stream: object, event: object) -> bytes:
    return json.dumps({"stream": stream, "data": event}).encode()


def reason(data: bytes, *, binary: bool = False) -> MessageReason:
    message = parse_message(data, binary=binary)
    assert isinstance(message, Refusal)
    return message.reason


def test_a_trade() -> None:
    """OB-901, OB-003: price and quantity times 10^8, times in microseconds, the side that took."""
    assert parse_message(text("btcusdt@trade", TRADE)) == Trade(
        CODE, 3735683259, 1723161255342000, 1723161255343000, 6183763000000, 2000000, SELLER
    )
    bought = parse_message(text("btcusdt@trade", TRADE | {"m": False}))
    assert isinstance(bought, Trade)
    assert bought.side == BUYER


def test_a_change_of_the_book_and_its_best_prices() -> None:
    """OB-901: both sides of each, with their update ids."""
    assert parse_message(text("btcusdt@depth@100ms", DEPTH)) == DepthUpdate(
        CODE, 50093239203, 50093239207, 1723161255308000, ((5565387000000, 0),), ()
    )
    assert parse_message(text("btcusdt@bookTicker", BOOK)) == BookTicker(
        CODE, 7, 150000000, 200000000, 160000000, 1
    )


def test_the_levels_are_read_only_when_wanted() -> None:
    """OB-903: the chain needs the ids alone; who builds a book reads the levels too."""
    without = parse_message(text("btcusdt@depth@100ms", DEPTH | {"b": None}), with_levels=False)
    assert without == DepthUpdate(CODE, 50093239203, 50093239207, 1723161255308000, (), ())


def test_the_venue_announces_the_end_of_a_connection() -> None:
    """OB-908: the event is read and is no damage."""
    event = {"e": "serverShutdown", "E": 1770123456789}
    assert parse_message(text("!serverShutdown", event)) == Shutdown(1770123456789000)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", MessageReason.NOT_TEXT),
        (b"\xff", MessageReason.NOT_TEXT),
        (b"{", MessageReason.BAD_JSON),
        (b"[]", MessageReason.BAD_JSON),
        (b"[" * 100_000, MessageReason.BAD_JSON),
        (b'{"a":' + b"1" * 5000 + b"}", MessageReason.BAD_JSON),
        (b" " * (FRAME_BYTES + 1), MessageReason.TOO_LARGE),
        (b'{"result":null,"id":1}', MessageReason.UNKNOWN_STREAM),
        (text("btcusdt@kline_1m", TRADE), MessageReason.UNKNOWN_STREAM),
        (text("\ud800@trade", TRADE), MessageReason.UNKNOWN_STREAM),
        (text("btcusdt@trade", []), MessageReason.UNKNOWN_STREAM),
        (text("ethusdt@trade", TRADE), MessageReason.BAD_CODE),
        (text("btcusdt@trade", TRADE | {"s": "btcusdt"}), MessageReason.BAD_CODE),
        (text("btcusdt@trade", TRADE | {"s": 5}), MessageReason.BAD_CODE),
        (text("btcusdt@trade", TRADE | {"e": "aggTrade"}), MessageReason.BAD_SHAPE),
        (text("btcusdt@trade", TRADE | {"m": 1}), MessageReason.BAD_SHAPE),
        (text("btcusdt@trade", TRADE | {"t": "5"}), MessageReason.BAD_SHAPE),
        (text("btcusdt@trade", TRADE | {"t": 5.0}), MessageReason.BAD_SHAPE),
        (text("btcusdt@trade", TRADE | {"p": 61837.63}), MessageReason.BAD_SHAPE),
        (text("btcusdt@trade", TRADE | {"t": -1}), MessageReason.BAD_NUMBER),
        (text("btcusdt@trade", TRADE | {"t": 1 << 63}), MessageReason.BAD_NUMBER),
        (text("btcusdt@trade", TRADE | {"T": 1 << 62}), MessageReason.BAD_NUMBER),
        (text("btcusdt@trade", TRADE | {"p": "1e5"}), MessageReason.BAD_NUMBER),
        (text("btcusdt@trade", TRADE | {"p": "0.000000001"}), MessageReason.BAD_NUMBER),
        (text("btcusdt@trade", TRADE | {"q": "0.00000000"}), MessageReason.BAD_NUMBER),
        (text("btcusdt@depth@100ms", DEPTH | {"u": 1}), MessageReason.BAD_NUMBER),
        (text("btcusdt@depth@100ms", DEPTH | {"b": None}), MessageReason.BAD_SHAPE),
        (text("btcusdt@depth@100ms", DEPTH | {"a": [["1"]]}), MessageReason.BAD_SHAPE),
        (text("btcusdt@depth@100ms", DEPTH | {"a": [["1", "x"]]}), MessageReason.BAD_SHAPE),
        (text("btcusdt@bookTicker", {"s": "BTCUSDT"}), MessageReason.BAD_SHAPE),
        (text("!serverShutdown", {"e": "trade"}), MessageReason.BAD_SHAPE),
    ],
)
def test_what_is_not_read(data: bytes, why: MessageReason) -> None:
    """OB-991, OB-006: each kind of damage has its reason."""
    assert reason(data) is why


def test_a_binary_message_is_not_read() -> None:
    """OB-991: the streams are text."""
    assert reason(b"{}", binary=True) is MessageReason.NOT_TEXT


def test_every_trade_of_the_captures_to_the_last_digit() -> None:
    """OB-906, OB-003: 19,904 trades; each price and quantity is the decimal of the wire times 10^8."""
    found, events = trades(FIRST, SECOND), raw_trades(FIRST, SECOND)
    assert len(found) == len(events) == 19_904
    for one, event in zip(found, events, strict=True):
        assert (one.trade_id, one.event_us, one.sent_us) == (event["t"], event["T"] * 1000, event["E"] * 1000)
        exact = Decimal(event["p"]).scaleb(8), Decimal(event["q"]).scaleb(8)
        assert (Decimal(one.price), Decimal(one.quantity)) == exact
        assert one.side == (SELLER if event["m"] else BUYER)


def test_every_message_of_the_captures_is_read() -> None:
    """OB-906: trades, best prices and book changes, each as often as the captures hold it."""
    kinds: dict[type, int] = {}
    for line in (*captured(FIRST), *captured(SECOND)):
        if line.stream != "snapshot":
            kind = type(parse_message(line.data))
            kinds[kind] = kinds.get(kind, 0) + 1
    assert kinds == {Trade: 19_904, DepthUpdate: 6_495, BookTicker: 73_174}


def test_the_query_of_several_streams() -> None:
    """OB-901: symbols in lower case, streams as the venue names them."""
    assert stream_path(("BTCUSDT", "ETHBTC"), ("trade", "depth@100ms")) == (
        "btcusdt@trade/btcusdt@depth@100ms/ethbtc@trade/ethbtc@depth@100ms"
    )


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    """OB-992: a value or a reason, never another error."""
    assert isinstance(parse_message(data), Refusal)


@given(st.sampled_from(sorted(STREAMS)), st.data())
def test_any_change_of_a_message(stream: str, data: st.DataObject) -> None:
    """OB-992: a field of any kind in any place gives a value or a reason."""
    event = dict(STREAMS[stream])
    for name in data.draw(st.lists(st.sampled_from(sorted(event)), max_size=3)):
        event[name] = data.draw(ANYTHING)
    message = parse_message(text(stream, event))
    assert isinstance(message, Trade | DepthUpdate | BookTicker | Refusal)
    assert isinstance(message, Refusal) or message.code == CODE
