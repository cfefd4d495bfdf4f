"""The newest trades of a line."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.observer.recent_trades import KEPT, PACKED, RecentTrades

NUMBER = st.integers(0, 3) | st.integers(0, 2**40)


@given(st.lists(st.tuples(NUMBER, NUMBER, NUMBER), max_size=40), st.tuples(NUMBER, NUMBER, NUMBER))
def test_it_knows_what_was_added_and_nothing_else(
    added: list[tuple[int, int, int]], other: tuple[int, int, int]
) -> None:
    """OB-645: numbers whose bytes look like parts of two neighbours are told apart."""
    recent = RecentTrades()
    for one in added:
        recent.add(*one)
    assert list(recent) == added
    again = RecentTrades()
    again.extend(b"".join(PACKED.pack(*one) for one in added))
    assert recent == again != added
    assert len(recent) == len(added)
    assert all(one in recent for one in added)
    assert (other in recent) == (other in added)
    for first, last in ((0, 1), (1, 3), (other[0], other[0] + 1)):
        assert recent.overlaps(first, last) == any(
            end - shares < last and first < end for end, shares, _ in added
        )


def test_neighbours_that_look_like_a_trade_are_none() -> None:
    """OB-645: equal numbers one after another hold the bytes of a trade at places that are none."""
    recent = RecentTrades()
    recent.extend(PACKED.pack(1, 2, 3) + PACKED.pack(4, 1, 2))
    assert (3, 4, 1) not in recent
    assert (4, 1, 2) in recent
    assert (1, 2, 3) in recent


def test_they_have_no_hash() -> None:
    """OB-645: they change."""
    with pytest.raises(TypeError):
        hash(RecentTrades())


def test_the_oldest_are_forgotten() -> None:
    """OB-645: the last 4,096, however they were added."""
    recent, known = RecentTrades(), deque[tuple[int, int, int]](maxlen=KEPT)
    for start in range(0, 5 * KEPT, 1_000):
        several = [(number, 1, 2) for number in range(start, start + 1_000)]
        recent.extend(b"".join(PACKED.pack(*one) for one in several))
        known += several
        assert list(recent) == list(known)
        assert known[0] in recent
        assert (known[0][0] - 1, 1, 2) not in recent
        assert len(recent) == len(known)
        assert not recent.overlaps(0, known[0][0] - 1)
