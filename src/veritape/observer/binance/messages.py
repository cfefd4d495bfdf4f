"""Messages of the combined streams: total parsers of trade, bookTicker and depth (OB-901, OB-992).

A trade, shortened: ``{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,
"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}``
"""

import json
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeAlias

from veritape.observer.binance.decimals import LARGEST, scaled
from veritape.wire.binance.streams import (
    BOOK_TICKER,
    DEPTH,
    DEPTH_EVENT,
    SHUTDOWN_EVENT,
    SHUTDOWN_STREAM,
    SYMBOL,
    TRADE,
    TRADE_EVENT,
)

FRAME_BYTES: Final = 4 << 20
"""Largest message that is read: far above a book change of 100 ms."""

MICROSECONDS: Final = 1000
"""In a millisecond, the unit of every time on the wire."""

LARGEST_MS: Final = LARGEST // MICROSECONDS // 1000
"""Latest time that 64 bits hold in nanoseconds."""

BUYER, SELLER = 1, 5
"""Side codes of a segment: who took (OB-552)."""


class MessageReason(StrEnum):
    """Why a message is not read."""

    TOO_LARGE = "too_large"
    """Longer than ``FRAME_BYTES``."""
    NOT_TEXT = "not_text"
    """A binary message, or not UTF-8."""
    BAD_JSON = "bad_json"
    """Not a JSON object."""
    UNKNOWN_STREAM = "unknown_stream"
    """A stream that was not asked for, or a message without one."""
    BAD_CODE = "bad_code"
    """The symbol is none, or not the stream's."""
    BAD_SHAPE = "bad_shape"
    """A field is missing or of another type."""
    BAD_NUMBER = "bad_number"
    """A price, quantity, id or time outside its range, or with more than eight decimals."""


class Trade(NamedTuple):
    """One trade."""

    code: str
    """Symbol."""
    trade_id: int
    """Rises by 1 with each trade of the symbol."""
    event_us: int
    """When it traded, microseconds UTC."""
    sent_us: int
    """When the venue sent it: what the receive time is compared with (OB-907)."""
    price: int
    """Times 10^8."""
    quantity: int
    """Times 10^8."""
    side: int
    """``BUYER`` or ``SELLER`` took."""


class BookTicker(NamedTuple):
    """Best bid and ask; its update id rises with gaps and proves nothing (OB-903)."""

    code: str
    update_id: int
    bid: int
    bid_quantity: int
    ask: int
    ask_quantity: int


Levels: TypeAlias = tuple[tuple[int, int], ...]
"""(price, quantity) pairs, each times 10^8; quantity 0 removes the level."""


class DepthUpdate(NamedTuple):
    """Changes of the book."""

    code: str
    first_id: int
    """First update in it: ``U``."""
    last_id: int
    """Last update in it: ``u``."""
    sent_us: int
    """When the venue sent it, microseconds UTC."""
    bids: Levels
    asks: Levels


class Shutdown(NamedTuple):
    """The venue will close the connection."""

    sent_us: int
    """When it said so."""


class Refusal(NamedTuple):
    """A message that is not read."""

    reason: MessageReason
    tr_id: str
    """The stream's name, empty when it could not be read."""
    width: int = 0
    """Always 0: fields have names here."""


Message: TypeAlias = Trade | BookTicker | DepthUpdate | Shutdown | Refusal
"""What one message says."""


class _Bad(Exception):  # noqa: N818 - it never leaves this module
    """A field that is not what it should be."""

    def __init__(self, reason: MessageReason) -> None:
        self.reason = reason


def parse_message(data: bytes, *, binary: bool = False, with_levels: bool = True) -> Message:
    """Read one message; total: any bytes give a value or a refusal, nothing is raised.

    Args:
        data: the message.
        binary: whether it came as a binary message.
        with_levels: whether the levels of a book change are read too; its chain needs only the ids.
    """
    stream = ""
    try:
        name, event = _wrapped(_document(data, binary=binary))
        stream = name[:_NAME_LETTERS]
        return _event(name, event, with_levels=with_levels)
    except _Bad as bad:
        return Refusal(bad.reason, stream)


def stream_path(codes: tuple[str, ...], streams: tuple[str, ...]) -> str:
    """Return the query that asks for streams of symbols."""
    return "/".join(f"{code.lower()}@{stream}" for code in codes for stream in streams)


def _document(data: bytes, *, binary: bool) -> dict[str, Any]:
    if len(data) > FRAME_BYTES:
        raise _Bad(MessageReason.TOO_LARGE)
    try:
        text = "" if binary else data.decode()
    except UnicodeDecodeError:
        text = ""
    if not text:
        raise _Bad(MessageReason.NOT_TEXT)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise _Bad(MessageReason.BAD_JSON)
    return document


def _wrapped(document: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    stream, event = document.get("stream"), document.get("data")
    if not isinstance(stream, str) or not stream.isascii() or not isinstance(event, dict):
        raise _Bad(MessageReason.UNKNOWN_STREAM)
    return stream, event


def _event(stream: str, event: dict[str, Any], *, with_levels: bool) -> Message:
    if stream == SHUTDOWN_STREAM:
        _require_event(event, SHUTDOWN_EVENT)
        return Shutdown(_time_us(event, "E"))
    lower, _, kind = stream.partition("@")
    reader = _READERS.get(kind)
    if reader is None:
        raise _Bad(MessageReason.UNKNOWN_STREAM)
    code = event.get("s")
    if not isinstance(code, str) or not _SYMBOL.fullmatch(code) or code.lower() != lower:
        raise _Bad(MessageReason.BAD_CODE)
    return reader(code, event, with_levels)


def _trade(code: str, event: dict[str, Any], _: bool) -> Trade:
    _require_event(event, TRADE_EVENT)
    maker = event.get("m")
    if not isinstance(maker, bool):
        raise _Bad(MessageReason.BAD_SHAPE)
    price, quantity = _positive(event, "p"), _positive(event, "q")
    side = SELLER if maker else BUYER
    return Trade(code, _id(event, "t"), _time_us(event, "T"), _time_us(event, "E"), price, quantity, side)


def _book_ticker(code: str, event: dict[str, Any], _: bool) -> BookTicker:
    bid, bid_quantity, ask, ask_quantity = (_number(event.get(name)) for name in ("b", "B", "a", "A"))
    return BookTicker(code, _id(event, "u"), bid, bid_quantity, ask, ask_quantity)


def _depth(code: str, event: dict[str, Any], with_levels: bool) -> DepthUpdate:
    _require_event(event, DEPTH_EVENT)
    first_id, last_id = _id(event, "U"), _id(event, "u")
    if last_id < first_id:
        raise _Bad(MessageReason.BAD_NUMBER)
    bids, asks = (_levels(event.get(side)) if with_levels else () for side in ("b", "a"))
    return DepthUpdate(code, first_id, last_id, _time_us(event, "E"), bids, asks)


def _levels(value: object) -> Levels:
    found = levels(value)
    if found is None:
        raise _Bad(MessageReason.BAD_SHAPE)
    return found


def levels(value: object) -> Levels | None:
    """Return the levels of one side of a book; None for anything that is no list of price and quantity."""
    if not isinstance(value, list):
        return None
    found = []
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2:  # noqa: PLR2004 - price and quantity
            return None
        price, quantity = scaled(pair[0]), scaled(pair[1])
        if price is None or quantity is None:
            return None
        found.append((price, quantity))
    return tuple(found)


def _require_event(event: dict[str, Any], kind: str) -> None:
    if event.get("e") != kind:
        raise _Bad(MessageReason.BAD_SHAPE)


def _number(value: object) -> int:
    number = scaled(value)
    if number is None:
        raise _Bad(MessageReason.BAD_NUMBER if isinstance(value, str) else MessageReason.BAD_SHAPE)
    return number


def _positive(event: dict[str, Any], name: str) -> int:
    number = _number(event.get(name))
    if number == 0:
        raise _Bad(MessageReason.BAD_NUMBER)
    return number


def _integer(event: dict[str, Any], name: str, largest: int) -> int:
    value = event.get(name)
    if type(value) is not int:
        raise _Bad(MessageReason.BAD_SHAPE)
    if not 0 <= value <= largest:
        raise _Bad(MessageReason.BAD_NUMBER)
    return value


def _id(event: dict[str, Any], name: str) -> int:
    return _integer(event, name, LARGEST)


def _time_us(event: dict[str, Any], name: str) -> int:
    return _integer(event, name, LARGEST_MS) * MICROSECONDS


_NAME_LETTERS: Final = 40
_SYMBOL: Final = re.compile(SYMBOL)
_READERS: Final[dict[str, Callable[[str, dict[str, Any], bool], Message]]] = {
    TRADE: _trade,
    BOOK_TICKER: _book_ticker,
    DEPTH: _depth,
}
