"""Order book records and the rows that are kept of them until their hour is sealed (KIS-160, KIS-161, OB-558).

A book is evidence, not a tape: nobody can tell which books are missing. What it adds to completeness is ``ACML_VOL``, a
second witness of the day's shares: a book that stays ahead of the last trade is level (d) of OB-641.

Example, shortened: ``0|H0STASP0|001|990001^090014^0^1818800^...^1818700^...^120^...^353^...^1133^...``
"""

import re
from array import array
from typing import Any, Final, NamedTuple

from veritape.observer.records import CLOCK, INTEGER, read_records, record_pattern, second_of_day
from veritape.observer.seals import read_document
from veritape.wire.kis.frames import BOOK_BOTH, BOOK_KRX, BOOK_LEVELS, BOOK_NXT, FIELD_NAMES, SYMBOL

FORMAT: Final = "veritape.books.v1"
"""Name of the seal document."""

BOOK_TRS: Final = frozenset({BOOK_KRX, BOOK_NXT, BOOK_BOTH})
"""Transaction ids of order books."""

CROSSED: Final = 1
"""Flag: the best bid is not below the best ask."""

CHAIN_BACK: Final = 2
"""Flag: ACML_VOL is lower than in an earlier book of the code."""

LEVELS: Final = tuple(
    f"{side}_{what}_{level}"
    for what in ("price", "shares")
    for side in ("ask", "bid")
    for level in range(1, BOOK_LEVELS + 1)
)
"""Columns of the levels in the order of the record: ask prices, bid prices, ask shares, bid shares; 0: no level."""

COLUMNS: Final = ("sequence", "record", "event_s", "received_us", "chain_shares", "flags", *LEVELS)
"""Integer columns of a row; ``code`` stands before them."""


class Book(NamedTuple):
    """One order book."""

    code: str
    """Symbol."""
    event_s: int
    """Venue time, seconds since midnight in Seoul."""
    levels: tuple[int, ...]
    """In the order of ``LEVELS``: won and shares."""
    chain_shares: int
    """Shares of the day so far."""

    @property
    def crossed(self) -> bool:
        """Tell whether the best bid is not below the best ask."""
        ask, bid = self.levels[0], self.levels[BOOK_LEVELS]
        return 0 < ask <= bid


class BookFrame(NamedTuple):
    """The order books of one message."""

    books: tuple[Book, ...]


class BookRows:
    """The books of one hour, column by column: 350 bytes a row where objects would take six times as much."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        """Code of each row."""
        self.columns = tuple(array("q") for _ in COLUMNS)
        """Values of each row, in the order of ``COLUMNS``."""

    def add(self, book: Book, sequence: int, record: int, received_ns: int, flags: int) -> None:
        """Append a row."""
        self.codes.append(book.code)
        values = (sequence, record, book.event_s, received_ns // 1000, book.chain_shares, flags, *book.levels)
        for column, value in zip(self.columns, values, strict=True):
            column.append(value)

    def lines(self) -> dict[str, dict[str, int]]:
        """Return what a seal says of each code: rows, first and last receipt, most shares of the day."""
        received, chain = (
            self.columns[COLUMNS.index("received_us")],
            self.columns[COLUMNS.index("chain_shares")],
        )
        found: dict[str, dict[str, int]] = {}
        for code, at_us, shares in zip(self.codes, received, chain, strict=True):
            line = found.setdefault(code, {"rows": 0, "first_us": at_us, "last_us": at_us, "chain_shares": 0})
            line["rows"] += 1
            line["first_us"], line["last_us"] = min(line["first_us"], at_us), max(line["last_us"], at_us)
            line["chain_shares"] = max(line["chain_shares"], shares)
        return found


class BookDay:
    """Books of one business day that wait for their seal."""

    def __init__(self) -> None:
        self.hours: dict[int, BookRows] = {}
        """Hour of the venue's time -> rows."""
        self._chain: dict[str, int] = {}

    def add(self, book: Book, sequence: int, record: int, received_ns: int) -> int:
        """Keep a book as it came; return its flags: a strange one is never a gap by itself (OB-991)."""
        highest = self._chain.get(book.code, 0)
        self._chain[book.code] = max(highest, book.chain_shares)
        flags = CROSSED * book.crossed | CHAIN_BACK * (book.chain_shares < highest)
        self.hours.setdefault(book.event_s // 3600, BookRows()).add(
            book, sequence, record, received_ns, flags
        )
        return flags


def read_books(width: int, count: int, payload: str) -> BookFrame | None:
    """Return a payload's books, None when the shape of one is wrong (KIS-126)."""
    records = read_records(_PATTERNS[width], count, payload)
    if records is None:
        return None
    books = []
    for code, clock, *numbers in records:
        *levels, _, _, chain_shares = map(int, numbers)
        books.append(Book(code, second_of_day(clock), tuple(levels), chain_shares))
    return BookFrame(tuple(books))


def seal_document(
    venue: str, day: str, hour: int, part: int, blake3: str, rows: BookRows, previous: str
) -> dict[str, Any]:
    """Return the seal of an hour's books; like a trade segment's, with a chain of its own."""
    return {
        "format": FORMAT,
        "venue": venue,
        "day": day,
        "hour": hour,
        "part": part,
        "rows": len(rows.codes),
        "blake3": blake3,
        "lines": rows.lines(),
        "previous": previous,
    }


def read_seal(data: bytes) -> dict[str, Any] | None:
    """Return a seal's document, None for any bytes that are no seal (OB-992)."""
    return read_document(data, FORMAT, _SEAL_TYPES)


_SEAL_TYPES: Final = {
    "day": str,
    "hour": int,
    "part": int,
    "rows": int,
    "blake3": str,
    "lines": dict,
    "previous": str,
}
_FIELDS: Final = {0: SYMBOL, 1: CLOCK, **dict.fromkeys((*range(3, 45), 53), INTEGER)}
_PATTERNS: Final[dict[int, re.Pattern[str]]] = {
    width: record_pattern(width, _FIELDS) for tr_id, width in FIELD_NAMES if tr_id in BOOK_TRS
}
