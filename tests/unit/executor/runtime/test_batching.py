"""Batches become jobs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.executor.runtime.batching import (
    CHUNK_ITEMS,
    FIRST_ITEMS,
    Chunks,
    Doubling,
    check_size,
    distinct,
)
from veritape.executor.runtime.outcomes import RuntimeReason
from veritape.kernel.errors import MisuseError


@given(st.lists(st.binary(max_size=2), max_size=50))
def test_equal_inputs_count_once(inputs: list[bytes]) -> None:
    """EX-344: distinct inputs in order; every input finds its own among them."""
    chosen, places = distinct(inputs)
    assert len(set(chosen)) == len(chosen)
    assert [chosen[place] for place in places] == inputs


def test_a_batch_has_at_most_65536_items() -> None:
    """EX-345: one more is refused with the remedy; none at all is fine."""
    check_size(0)
    check_size(65_536)
    with pytest.raises(MisuseError, match="make several batches") as caught:
        check_size(65_537)
    assert caught.value.reason is RuntimeReason.TOO_MANY_ITEMS


def test_a_piece_is_about_a_second_and_at_most_a_thousand_items() -> None:
    """EX-343: small at first, then by the pace; the end is shared out among the workers."""
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
