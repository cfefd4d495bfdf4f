"""The compiled sponge agrees with the readable one."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compiled import SIMULATOR

from veritape.stark import hashing
from veritape.stark.field import P


@settings(max_examples=100, deadline=None)
@given(st.integers(0, P - 1), st.lists(st.integers(0, P - 1), max_size=30))
def test_the_compiled_sponge_agrees_with_the_readable_one(tag: int, elements: list[int]) -> None:
    """ST-003: the compiled twin gives the same digest for every tag and every length."""
    length = len(elements)
    assert SIMULATOR.sponge(tag, length, elements) == hashing.sponge(tag, length, elements)
