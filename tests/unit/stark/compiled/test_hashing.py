"""The compiled sponge agrees with the readable one."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compiled import SIMULATOR

from veritape.executor.digests import Tag, bytes_digest, each_digest
from veritape.stark import hashing
from veritape.stark.field import P


@settings(max_examples=100, deadline=None)
@given(st.integers(0, P - 1), st.lists(st.integers(0, P - 1), max_size=30))
def test_the_compiled_sponge_agrees_with_the_readable_one(tag: int, elements: list[int]) -> None:
    """ST-003: the compiled twin gives the same digest for every tag and every length."""
    length = len(elements)
    assert SIMULATOR.sponge(tag, length, elements) == hashing.sponge(tag, length, elements)


LENGTHS = st.sampled_from([0, 1, 15, 16, 17, 31, 32, 33, 200]) | st.integers(0, 40)


@settings(max_examples=60, deadline=None)
@given(st.lists(LENGTHS, max_size=80), st.randoms(use_true_random=False))
def test_many_digests_agree_with_each(lengths: list[int], source: Random) -> None:
    """ST-003, EX-273: however long the items are and in whatever order, side by side or one by one."""
    items = [source.randbytes(length) for length in lengths]
    assert SIMULATOR.digests(Tag.INPUT, items) == [
        bytes_digest(Tag.INPUT, item, SIMULATOR.sponge) for item in items
    ]


def test_one_long_item_among_short_ones_is_hashed_alone() -> None:
    """EX-273: the long one takes no lane of the short ones with it, and the digests are the same."""
    items = [b"short", bytes(range(256)) * 40, b"", *[bytes([number]) * 3 for number in range(40)]]
    readable = each_digest(hashing.sponge)
    assert SIMULATOR.digests(Tag.JOURNAL, items) == readable(Tag.JOURNAL, items)
