"""Books on disk: sorted, sealed, chained, not sealed twice."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from blake3 import blake3
from tests.tape import DAY, MIDNIGHT_NS, book_frame, day_notes, frames

from veritape.observer.adapters.book_files import BookStore, encode
from veritape.observer.adapters.journal_files import SEALED_MODE
from veritape.observer.adapters.recording import Recording
from veritape.observer.books import LEVELS, Book, BookRows

OPEN_NS = MIDNIGHT_NS + 32_400 * 10**9


def books(count: int, second: int = 32_400) -> list[Book]:
    return [
        Book(("990002", "990001")[n % 2], second + n, tuple(range(n, n + len(LEVELS))), 10 * n)
        for n in range(count)
    ]


def rows_of(found: list[Book]) -> BookRows:
    rows = BookRows()
    for number, book in enumerate(found):
        rows.add(book, number, 0, OPEN_NS + number, 0)
    return rows


def test_books_are_sorted_and_sealed(tmp_path: Path) -> None:
    """OB-558: by code and receipt, every level; the same books in another order give the same bytes."""
    store = BookStore(tmp_path)
    path = store.write(DAY, 9, rows_of(books(6)))
    assert path.relative_to(tmp_path).as_posix() == f"books/venue=KRX/day={DAY}/09.parquet"
    table = pq.read_table(path, partitioning=None).to_pylist()
    assert [row["code"] for row in table] == ["990001"] * 3 + ["990002"] * 3
    assert [row["chain_shares"] for row in table] == [10, 30, 50, 0, 20, 40]
    assert [table[0][name] for name in LEVELS] == list(range(1, 41))
    (seal,) = store.seals(DAY)
    assert (seal["rows"], seal["blake3"]) == (6, blake3(path.read_bytes()).hexdigest())
    assert path.stat().st_mode & 0o777 == SEALED_MODE
    rows = rows_of(books(6))
    turned = BookRows()
    turned.codes = rows.codes[::-1]
    for column, values in zip(turned.columns, rows.columns, strict=True):
        column.extend(reversed(values))
    assert encode(turned) == encode(rows)


def test_seals_of_books_chain_with_late_parts(tmp_path: Path) -> None:
    """OB-558, OB-555: each names the one written before it, late parts too, also from a new process."""
    store = BookStore(tmp_path)
    names = [
        one.write(DAY, hour, rows_of(books(2))).name
        for one, hour in [(store, 10), (store, 9), (BookStore(tmp_path), 9)]
    ]
    assert names == ["10.parquet", "09.parquet", "09.late-1.parquet"]
    seals = [
        (tmp_path / f"books/venue=KRX/day={DAY}/{stem}.seal.json").read_bytes()
        for stem in ("10", "09", "09.late-1")
    ]
    previous = [seal["previous"] for seal in BookStore(tmp_path).seals(DAY)]
    assert previous == [blake3(seals[0]).hexdigest(), blake3(seals[1]).hexdigest(), ""]


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    made = Recording(tmp_path)
    for frame in [*day_notes(("990001",)), *frames(("990001",), until_ms=32_400_000 + 10_000)]:
        made.recorder.apply(frame)
    for number, book in enumerate(books(4), 1):
        made.recorder.apply(book_frame(book, number, OPEN_NS + number * 10**9, connection=7))
    return made


def test_a_recording_seals_its_books_and_never_twice(recording: Recording) -> None:
    """OB-558: hours that are over; rows that the journal brings again after a restart are dropped."""
    assert recording.seal_books_due("20131008", 0, 0) == []
    assert recording.seal_books_due(DAY, 10 * 3600, 120) == []
    assert recording.seal_books_due(DAY, 10 * 3600 + 120, 120) == [], (
        "the stream is still in it, whatever the clock says"
    )
    rows = recording.recorder.days[DAY].books.hours[9]
    recording.recorder.days[DAY].books.hours[10] = BookRows()
    assert len(recording.seal_books_due(DAY, 10 * 3600 + 120, 120)) == 1
    assert recording.seal_books_due(DAY, 10 * 3600 + 120, 120) == []
    rows.add(books(1)[0], 99, 0, OPEN_NS, 0)
    left = recording.books.unsealed(DAY, 9, rows)
    assert (len(rows.codes), left.columns[0].tolist()) == (5, [99])
    recording.recorder.day(DAY).books.hours[9] = left
    assert [one.name for one in recording.seal_books_due(DAY, 0, 0, all_hours=True)] == ["09.late-1.parquet"]


def test_a_book_ahead_of_its_line_is_a_suspicion_until_the_line_follows(recording: Recording) -> None:
    """OB-641, KIS-161: level (d) after 3 s; a book carries no date: its connection's trades say the day, else the calendar."""
    ahead = Book("990001", 32_420, (0,) * 40, 10**6)
    seen_ns = OPEN_NS + 20 * 10**9
    recording.recorder.apply(book_frame(ahead, 9, seen_ns))
    recording.recorder.apply(book_frame(ahead, 10, seen_ns + 2 * 10**9))
    assert recording.recorder.suspicions == {(DAY, "990001"): (10**6, seen_ns)}
    assert recording.recorder.settled(seen_ns + 3 * 10**9 - 1) == []
    assert recording.recorder.settled(seen_ns + 3 * 10**9) == [(DAY, "990001")]
    recording.recorder.apply(book_frame(ahead, 11, seen_ns + 86_400 * 10**9, connection=8))
    assert recording.recorder.days["20131008"].books.hours.keys() == {9}


def test_a_book_that_is_not_ahead_is_no_suspicion(recording: Recording) -> None:
    """OB-642: a complete tape raises nothing."""
    end = recording.recorder.days[DAY].lines["990001"].end.chain_shares
    applied = recording.recorder.apply(book_frame(Book("990001", 32_420, (0,) * 40, end), 9, OPEN_NS))
    assert (recording.recorder.suspicions, applied.books) == ({}, 1)
