"""Read what the WebSocket brings: data frames into trades and books, control messages into values (KIS-100 to 149).

A parser never assumes a width: fields / records must be an integer that the wire's table knows, and each record must
look like a trade where the chains need it. Anything else condemns the whole frame, which stays raw in the journal.

Example of a frame, shortened: ``0|H0STCNT0|001|990001^090014^1818700^5^-300^...^20131007^20^N^...^1819000^2``
"""

import json
import re
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple

from veritape.observer.books import BOOK_TRS, BookFrame, read_books
from veritape.observer.records import ANY, CLOCK, DATE, INTEGER, read_records, record_pattern, second_of_day
from veritape.wire.kis.frames import FIELD_NAMES, FIELD_SEPARATOR, HEADER_SEPARATOR, SYMBOL

FRAME_BYTES: Final = 1 << 20
"""Largest message that is parsed (OB-454)."""

MOST_TRADES: Final = 2**31 - 1
"""Most trades of a day and side: the segment's column has 32 bits."""

NO_SIDE: Final = 255
"""Side of a trade whose code is not a number of one byte (OB-552)."""


class FrameReason(StrEnum):
    """Why a message is not read (KIS-116, KIS-129); the raw bytes are kept."""

    EMPTY = "empty"
    """No characters."""
    NOT_TEXT = "not_text"
    """Binary, or not UTF-8."""
    TOO_LARGE = "too_large"
    """Above 1 MiB."""
    BAD_HEADER = "bad_header"
    """Fewer than three separators, an unknown flag, or a malformed transaction id."""
    BAD_COUNT = "bad_count"
    """The record count is not 001 to 999."""
    UNKNOWN_TR = "unknown_tr"
    """The transaction id has no table."""
    WIDTH_NOT_INTEGER = "width_not_integer"
    """The fields do not divide into the stated records."""
    UNKNOWN_WIDTH = "unknown_width"
    """The transaction id has no record of this width."""
    RECORD_SHAPE = "record_shape"
    """A record does not look like a trade: a field was inserted, or bytes were damaged."""
    NO_KEY = "no_key"
    """The frame is encrypted and no key was received."""
    BAD_JSON = "bad_json"
    """A control message that is not a JSON object."""
    UNKNOWN_CONTROL = "unknown_control"
    """A control message of no known kind."""
    UNREAD_THEN = "unread_then"
    """Readable today, and refused when it came: only a reparse takes its trades, as backfilled ones."""


class Trade(NamedTuple):
    """One trade record: what the ledger and the segments need of it."""

    code: str
    """Symbol."""
    event_s: int
    """Venue time, seconds since midnight in Seoul."""
    price: int
    """Won."""
    shares: int
    """Shares of this trade."""
    chain_shares: int
    """Shares of the day, this trade included: V."""
    chain_value: int
    """Won of the day, this trade included: M."""
    sells: int
    """Seller-initiated trades of the day: S."""
    buys: int
    """Buyer-initiated trades of the day: B."""
    side: int
    """Raw side code; 1 buy, 5 sell."""
    counted: bool
    """Whether the protocol says that S + B moved (KIS-143)."""
    day: str
    """Business date, YYYYMMDD."""
    session: str
    """Raw session codes, as ``20/0/2``."""


class Acknowledgement(NamedTuple):
    """The broker's answer to a command."""

    tr_id: str
    tr_key: str
    rt_cd: str
    msg_cd: str


class Heartbeat(NamedTuple):
    """A PINGPONG: the same text goes back."""

    text: str


class Refusal(NamedTuple):
    """A message that is not read."""

    reason: FrameReason
    tr_id: str
    """Transaction id, empty when it could not be read."""
    width: int
    """Fields per record, 0 when it could not be computed."""


Message = tuple[Trade, ...] | BookFrame | Acknowledgement | Heartbeat | Refusal
"""What one message says."""


def parse_message(data: bytes, *, binary: bool = False) -> Message:
    """Read one message; total: any bytes give a value or a refusal, nothing is raised."""
    if len(data) > FRAME_BYTES:
        return Refusal(FrameReason.TOO_LARGE, "", 0)
    if binary:
        return Refusal(FrameReason.NOT_TEXT, "", 0)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return Refusal(FrameReason.NOT_TEXT, "", 0)
    if not text:
        return Refusal(FrameReason.EMPTY, "", 0)
    return _data(text) if text[0] in "01" else _control(text)


def _data(text: str) -> Message:
    head = _HEAD.match(text)
    if head is None:
        return _bad_head(text)
    flag, tr_id, count_text = head.groups()
    if flag == "1":
        return Refusal(FrameReason.NO_KEY, tr_id, 0)
    return _records(tr_id, int(count_text), text[head.end() :])


def _bad_head(text: str) -> Refusal:
    parts = text.split(HEADER_SEPARATOR, 3)
    if len(parts) != 4 or parts[0] not in {"0", "1"} or not _TR_ID.fullmatch(parts[1]):  # noqa: PLR2004 - flag, id, count, payload
        return Refusal(FrameReason.BAD_HEADER, "", 0)
    return Refusal(FrameReason.BAD_COUNT, parts[1], 0)


def _records(tr_id: str, count: int, payload: str) -> Message:
    width, rest = divmod(payload.count(FIELD_SEPARATOR) + 1, count)
    if tr_id not in _KNOWN_TRS:
        return Refusal(FrameReason.UNKNOWN_TR, tr_id, 0 if rest else width)
    if rest:
        return Refusal(FrameReason.WIDTH_NOT_INTEGER, tr_id, 0)
    if (tr_id, width) not in FIELD_NAMES:
        return Refusal(FrameReason.UNKNOWN_WIDTH, tr_id, width)
    is_book = tr_id in BOOK_TRS
    records = read_books(width, count, payload) if is_book else _trades(_PATTERNS[width], count, payload)
    return Refusal(FrameReason.RECORD_SHAPE, tr_id, width) if records is None else records


def _trades(pattern: re.Pattern[str], count: int, payload: str) -> tuple[Trade, ...] | None:
    """Return the records' trades, None when the shape of one is wrong (KIS-126)."""
    found, trades = read_records(pattern, count, payload), []
    second_of, session_of, side_of, new = _second, _session, _SIDES.get, tuple.__new__
    if found is None:
        return None
    for record in found:
        code, clock, won, size, total, value, sold, bought, direction, day, phase, hour_class, market = record
        price, shares, chain_shares, chain_value = int(won), int(size), int(total), int(value)
        sells, buys, side = int(sold), int(bought), side_of(direction, NO_SIDE)
        if not (price > 0 and 0 < shares <= chain_shares and chain_value > 0):
            return None
        if not (0 <= sells <= MOST_TRADES and 0 <= buys <= MOST_TRADES):
            return None
        session, is_regular = session_of(phase, hour_class, market)
        counted = is_regular and side in _SIDES_COUNTED
        trades.append(
            new(Trade, (
                code, second_of(clock), price, shares, chain_shares, chain_value, sells, buys, side, counted, day, session,
            ))
        )  # fmt: skip
    return tuple(trades)


@lru_cache(1 << 10)
def _session(phase: str, hour_class: str, market: str) -> tuple[str, bool]:
    """Return a record's session as the segments name it, and whether its trades may be counted (KIS-143)."""
    return f"{phase}/{hour_class[:4]}/{market[:4]}", phase == "20" and hour_class == "0"


def _control(text: str) -> Message:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return Refusal(FrameReason.BAD_JSON, "", 0)
    if not isinstance(document, dict):
        return Refusal(FrameReason.BAD_JSON, "", 0)
    header, body = _object(document, "header"), _object(document, "body")
    tr_id = _string(header, "tr_id")
    if tr_id == "PINGPONG":
        return Heartbeat(text)
    if not body or not (_string(body, "msg_cd") or _string(body, "rt_cd")):
        return Refusal(FrameReason.UNKNOWN_CONTROL, tr_id[:_TR_LETTERS], 0)
    return Acknowledgement(tr_id, _string(header, "tr_key"), _string(body, "rt_cd"), _string(body, "msg_cd"))


def _object(document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _string(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""


_TR_LETTERS: Final = 8
_KNOWN_TRS: Final = frozenset(tr_id for tr_id, _ in FIELD_NAMES)
_TR_ID: Final = re.compile(r"[A-Z0-9]{8}")
_HEAD: Final = re.compile(r"([01])\|([A-Z0-9]{8})\|(?!000)([0-9]{3})\|")
_TRADE_FIELDS: Final = {
    0: SYMBOL, 1: CLOCK, **dict.fromkeys((2, 12, 13, 14, 15, 16), INTEGER), 21: ANY, 33: DATE, 34: "[^^]{0,2}+",
    43: ANY, 46: ANY,
}  # fmt: skip
_PATTERNS: Final = {
    width: record_pattern(width, _TRADE_FIELDS) for tr_id, width in FIELD_NAMES if tr_id not in BOOK_TRS
}
_SIDES: Final = {text: n for n in range(100) for text in (f"{n}", f"{n:02}")}
_SIDES_COUNTED: Final = frozenset({1, 5})
_second: Final = lru_cache(1 << 10)(second_of_day)
"""Many records share a second."""
