"""Batches become jobs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.executor.runtime.batching import (
    CHUNK_ITEMS,
    CHUNK_S,
    FIRST_ITEMS,
    LEAST_S,
    SHORT_S,
    Chunks,
    Doubling,
    check_size,
    distinct,
    twins,
)
from veritape.executor.runtime.outcomes import RuntimeReason
from veritape.kernel.errors import MisuseError


@given(st.lists(st.binary(max_size=2), max_size=50))
def test_equal_inputs_count_once(inputs: list[bytes]) -> None:
    """EX-344: distinct inputs in order; every input finds its own among them."""
    chosen, places = distinct(inputs)
    assert len(set(chosen)) == len(chosen)
    assert [chosen[place] for place in places] == inputs


@given(st.lists(st.binary(max_size=2), max_size=50))
def test_a_twin_is_the_first_of_its_equals(inputs: list[bytes]) -> None:
    """EX-344: an input that came before names its first; the first of each kind names none."""
    for place, twin in enumerate(twins(inputs)):
        first = inputs.index(inputs[place])
        assert twin == (None if first == place else first)


def test_a_batch_has_at_most_65536_items() -> None:
    """EX-345: one more is refused with the remedy; none at all is fine."""
    check_size(0)
    check_size(65_536)
    with pytest.raises(MisuseError, match="make several batches") as caught:
        check_size(65_537)
    assert caught.value.reason is RuntimeReason.TOO_MANY_ITEMS


def test_a_piece_is_about_a_second_and_at_most_a_thousand_items() -> None:
    """EX-343: small at first, then by the pace."""
    chunks = Chunks()
    assert chunks.size(5000, 2) == FIRST_ITEMS
    chunks.done(16, 0.001)
    assert chunks.size(5000, 2) == CHUNK_ITEMS
    chunks.done(16, 1.6)
    assert chunks.size(5000, 2) == 10
    chunks.done(1, 30.0)
    assert chunks.size(5000, 2) == 1
    assert Chunks().size(7, 2) == 4
    assert Chunks().size(1, 8) == 1


@given(st.integers(1, 65_536), st.integers(1, 8), st.floats(1e-6, 2.0))
def test_workers_end_together(items: int, workers: int, pace_s: float) -> None:
    """EX-343, EX-913: no job is over its bounds, and none holds more than an even share of what is left, unless that is over at once."""
    chunks = Chunks()
    chunks.done(1, pace_s)
    left = items
    while left:
        size = min(left, chunks.size(left, workers))
        assert 1 <= size <= CHUNK_ITEMS
        assert size * pace_s <= CHUNK_S or size == 1
        assert size <= -(-left // workers) or size * pace_s <= LEAST_S
        left -= size


def test_a_job_that_waits_is_short() -> None:
    """EX-353, EX-913: none waits before the pace is known, or where one item takes longer than handing out by far."""
    chunks = Chunks()
    assert chunks.ahead(5000, 2) == 0
    chunks.done(100, 100 * SHORT_S / 10)
    assert chunks.ahead(5000, 2) == 10
    assert chunks.ahead(6, 2) == 3
    chunks.done(10, 0.000_1)
    assert chunks.ahead(5000, 2) == CHUNK_ITEMS
    chunks.done(1, 2 * SHORT_S)
    assert chunks.ahead(5000, 2) == 0


def test_the_best_batch_size_is_found_by_doubling() -> None:
    """EX-358: doubled from 16 until the gain is under 10 %, or something binds."""
    search = Doubling()
    for seconds in (1.0, 0.6, 0.4, 0.39):
        search.measured(seconds)
    assert (search.size, search.found) == (64, True)
    bound = Doubling()
    bound.measured(1.0)
    bound.measured(0.5, bound=True)
    assert (bound.size, bound.found) == (32, True)
