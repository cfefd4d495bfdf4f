"""Keys by their first bytes."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from veritape.executor.cache.prefixes import among, packed, prefixes_of

KEYS = [hashlib.sha256(b"%d" % number).digest() for number in range(20)]


def test_a_prefix_is_the_begin_of_a_key() -> None:
    """EX-404: eight bytes as an integer, in order, with its sign."""
    assert prefixes_of([bytes(7) + b"\1" + b"a" * 24, b"\xff" * 32]).tolist() == [1, -1]
    assert prefixes_of([]).tolist() == []


@given(st.sets(st.sampled_from(KEYS)), st.lists(st.sampled_from(KEYS), unique=True))
def test_who_is_told_knows_what_is_held(held: set[bytes], asked: list[bytes]) -> None:
    """EX-401: no key that is held is missed, whatever the order; of keys that differ early none is taken for another."""
    assert among(packed(held), asked) == held & set(asked)


def test_keys_that_begin_alike_may_be_held() -> None:
    """EX-401: who is told does not execute them, and asks."""
    other = KEYS[0][:8] + bytes(24)
    assert among(packed([KEYS[0]]), [other, KEYS[1]]) == {other}
