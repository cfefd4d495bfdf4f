"""Order books: what is read of them, what is flagged, what a seal says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tape import book_text

from veritape.observer.books import (
    CHAIN_BACK,
    COLUMNS,
    CROSSED,
    FORMAT,
    Book,
    BookDay,
    BookFrame,
    BookRows,
    read_seal,
    seal_document,
)
from veritape.observer.frames import FrameReason, Refusal, parse_message
from veritape.wire.kis.frames import BOOK_BOTH, BOOK_KRX, BOOK_NXT

LEVELS = (*range(1000, 1010), *range(999, 989, -1), *range(1, 11), *range(11, 21))
BOOK = Book("990001", 32_414, LEVELS, 1_133)


@pytest.mark.parametrize(
    ("tr_id", "width"),
    [(BOOK_KRX, 59), (BOOK_KRX, 62), (BOOK_KRX, 63), (BOOK_NXT, 65), (BOOK_BOTH, 65), (BOOK_BOTH, 66)],
)
def test_every_width_of_a_book_gives_the_same(tr_id: str, width: int) -> None:
    """KIS-160, KIS-122, OB-558: levels, sizes and the shares of the day at every registered width."""
    text = book_text(BOOK, tr_id=tr_id, width=width)
    assert parse_message(text.encode()) == BookFrame((BOOK,))


@pytest.mark.parametrize(
    ("tr_id", "width"), [(BOOK_KRX, 65), (BOOK_NXT, 63), (BOOK_BOTH, 59), (BOOK_KRX, 47)]
)
def test_a_width_of_another_stream_is_unknown(tr_id: str, width: int) -> None:
    """KIS-123: a width means something with its transaction id only."""
    message = parse_message(book_text(BOOK, tr_id=tr_id, width=width).encode())
    assert message == Refusal(FrameReason.UNKNOWN_WIDTH, tr_id, width)


@pytest.mark.parametrize("place", [0, 1, 3, 22, 42, 44, 53])
def test_a_field_that_is_no_number_condemns_the_frame(place: int) -> None:
    """KIS-126: symbol, clock, 3..44 and 53."""
    head, _, payload = book_text(BOOK).rpartition("|")
    fields = payload.split("^")
    fields[place] = "1.5"
    message = parse_message(f"{head}|{'^'.join(fields)}".encode())
    assert message == Refusal(FrameReason.RECORD_SHAPE, BOOK_KRX, 63)


def test_strange_books_are_kept_with_flags() -> None:
    """OB-991: a crossed book, a chain that goes back: recorded as it is; no level is no crossing."""
    crossed = BOOK._replace(levels=(999, *LEVELS[1:]))
    no_ask = BOOK._replace(levels=(0,) * 40)
    back = BOOK._replace(chain_shares=1)
    day = BookDay()
    flags = [day.add(book, n, 0, 5_000) for n, book in enumerate((BOOK, crossed, no_ask, back))]
    assert flags == [0, CROSSED, 0, CHAIN_BACK]
    rows = day.hours[9]
    assert rows.codes == ["990001"] * 4
    first = {name: column[0] for name, column in zip(COLUMNS, rows.columns, strict=True)}
    assert (first["received_us"], first["event_s"], first["chain_shares"]) == (5, 32_414, 1_133)
    assert (first["ask_price_1"], first["bid_price_10"], first["ask_shares_1"], first["bid_shares_10"]) == (
        1000, 990, 1, 20,
    )  # fmt: skip


def test_a_seal_says_what_each_code_has() -> None:
    """OB-558: rows, span of receipt and shares of the day; any other bytes are no seal."""
    rows = BookRows()
    for number, chain in enumerate((5, 9, 7)):
        rows.add(BOOK._replace(chain_shares=chain), number, 0, 1_000 * number, 0)
    document = seal_document("KRX", "20131007", 9, 0, "ab", rows, "")
    assert document == {
        "format": FORMAT, "venue": "KRX", "day": "20131007", "hour": 9, "part": 0, "rows": 3, "blake3": "ab",
        "lines": {"990001": {"rows": 3, "first_us": 0, "last_us": 2, "chain_shares": 9}}, "previous": "",
    }  # fmt: skip


@given(st.binary(max_size=200) | st.text('{}[]":,formatverip.bks1', max_size=200).map(str.encode))
def test_any_bytes_are_a_seal_or_none(data: bytes) -> None:
    """OB-992: the reader is total."""
    assert read_seal(data) is None


def test_members_of_another_type_are_no_seal() -> None:
    """OB-992: a format alone does not make one."""
    assert read_seal(b'{"format":"veritape.books.v1","hour":"9"}') is None
