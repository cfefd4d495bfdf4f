"""The chain of book changes."""

import random
from functools import cache

from hypothesis import given
from hypothesis import strategies as st
from tests.binance import CODE, FIRST, SECOND, captured

from veritape.observer.binance.books import Book, Validity
from veritape.observer.binance.messages import DepthUpdate, parse_message


def change(first_id: int, last_id: int, sent_us: int = 0) -> DepthUpdate:
    return DepthUpdate(CODE, first_id, last_id, sent_us, (), ())


@cache
def changes(*days: str) -> tuple[DepthUpdate, ...]:
    lines = [line for day in days for line in captured(day) if line.stream.startswith("depth")]
    found = [parse_message(line.data, with_levels=False) for line in lines]
    return tuple(one for one in found if isinstance(one, DepthUpdate))


def test_a_book_is_valid_once_a_snapshot_lies_inside_its_chain() -> None:
    """OB-903: U <= lastUpdateId + 1 <= u."""
    book = Book()
    assert not book.wants_snapshot
    assert book.changed(change(10, 12, 5))
    assert book.wants_snapshot
    assert book.changed(change(13, 15, 6))
    book.snapshot(12)
    assert (book.is_valid, book.wants_snapshot, book.valid) == (True, False, [Validity(6, 6)])
    assert book.changed(change(16, 16, 7))
    assert book.valid == [Validity(6, 7)]


def test_a_snapshot_from_before_the_chain_is_stale_and_one_ahead_of_it_waits() -> None:
    """OB-903: too old a snapshot is asked for again; a newer one needs the change that follows it."""
    book = Book()
    book.changed(change(10, 12, 5))
    book.snapshot(8)
    assert (book.is_valid, book.stale_snapshots, book.wants_snapshot) == (False, 1, True)
    book.snapshot(14)
    assert (book.is_valid, book.wants_snapshot) == (False, False)
    book.changed(change(13, 13, 6))
    assert not book.is_valid
    book.changed(change(14, 20, 7))
    assert (book.is_valid, book.valid) == (True, [Validity(7, 7)])


def test_a_break_makes_the_book_invalid_until_another_snapshot() -> None:
    """OB-903: U must be the previous u + 1."""
    book = Book()
    book.changed(change(10, 12, 5))
    book.snapshot(10)
    assert not book.changed(change(16, 17, 6))
    assert (book.is_valid, book.breaks, book.missing_ids) == (False, 1, 3)
    book.snapshot(12)
    assert (book.is_valid, book.stale_snapshots) == (False, 1)
    book.snapshot(16)
    assert (book.is_valid, book.valid) == (True, [Validity(5, 5), Validity(6, 6)])


def test_a_snapshot_for_a_valid_book_or_before_any_change_is_not_needed() -> None:
    """OB-903: it changes nothing; old spans are dropped once their day is closed."""
    book = Book()
    book.snapshot(5)
    assert (book.is_valid, book.stale_snapshots) == (False, 0)
    book.changed(change(10, 12, 5))
    book.snapshot(11)
    book.snapshot(11)
    assert (book.snapshots, book.valid) == (1, [Validity(5, 5)])
    book.changed(change(20, 21, 9))
    book.snapshot(20)
    book.forget_before(8)
    assert book.valid == [Validity(9, 9)]


def test_a_repeated_change_is_no_break() -> None:
    """OB-903: what is known changes nothing."""
    book = Book()
    book.changed(change(10, 12))
    assert book.changed(change(10, 12))
    assert (book.repeated, book.updates, book.breaks) == (1, 1, 0)


def test_the_chain_of_the_captures_is_whole() -> None:
    """OB-906: 3,451 and 3,044 changes; U = 50093421585 follows u = 50093421584; the snapshot makes the book valid."""
    book, whole = Book(), changes(FIRST, SECOND)
    for number, one in enumerate(whole):
        assert book.changed(one)
        if number == 3:
            book.snapshot(50_093_239_218)
    assert (len(changes(FIRST)), len(changes(SECOND)), book.updates) == (3_451, 3_044, 6_495)
    assert (book.breaks, book.is_valid) == (0, True)
    assert book.valid == [Validity(whole[3].sent_us, whole[-1].sent_us)]


def test_every_lost_change_of_the_captures_is_found() -> None:
    """OB-1026, OB-903: each run of losses breaks the chain once, with its number of update ids."""
    chance, book = random.Random("changes"), Book()
    breaks = missing = 0
    pending: list[DepthUpdate] = []
    for place, one in enumerate(changes(FIRST, SECOND)):
        if place and chance.random() < 0.01:
            pending.append(one)
            continue
        assert book.changed(one) == (not pending)
        breaks += bool(pending)
        missing += sum(gone.last_id - gone.first_id + 1 for gone in pending)
        pending = []
    assert (book.breaks, book.missing_ids) == (breaks, missing)


@given(st.lists(st.tuples(st.integers(1, 3), st.booleans(), st.integers(-3, 3)), max_size=30))
def test_a_valid_book_has_a_snapshot_inside_an_unbroken_chain(steps: list[tuple[int, bool, int]]) -> None:
    """OB-903: by a model that keeps every change."""
    book, last, chain, given_ids = Book(), 100, list[tuple[int, int]](), list[int]()
    for length, lost, offset in steps:
        first, last = last + 1, last + length
        if lost:
            chain = []
            continue
        chain.append((first, last))
        book.changed(change(first, last))
        if book.wants_snapshot:
            given_ids.append(last + offset)
            book.snapshot(last + offset)
        inside = any(low <= one + 1 <= high for one in given_ids for low, high in chain)
        assert book.is_valid == inside
