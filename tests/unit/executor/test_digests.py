"""Digests against the worked example."""

from veritape.executor.digests import Tag, bytes_digest, elements_digest, is_canonical, to_bytes, to_elements
from veritape.stark.hashing import sponge


def test_the_digests_are_those_of_the_worked_example() -> None:
    """EX-282, EX-287: empty input, empty journal, fib(10)'s input and journal."""
    assert (
        bytes_digest(Tag.INPUT, b"", sponge).hex()
        == "87bf826bc497ed7b55fccb3c09b9d60a2402047419f6fe54638042594b78d935"
    )
    assert (
        bytes_digest(Tag.JOURNAL, b"", sponge).hex()
        == "b925a76074c1a73a67b894409fe72f578d52d97e1bf7d450c527a15ac9152f3a"
    )
    data = bytes.fromhex("0a0000000000000001000000")
    assert (
        bytes_digest(Tag.INPUT, data, sponge).hex()
        == "e3bd0663e8646a0eac967a2079fbe17436e0bf3d6e2adf7cd5bdf57ced3d4869"
    )


def test_an_odd_byte_is_not_a_zero_byte_more() -> None:
    """EX-273: the number of bytes stands in the capacity."""
    assert bytes_digest(Tag.INPUT, b"abc", sponge) != bytes_digest(Tag.INPUT, b"abc\0", sponge)
    assert elements_digest(Tag.NODE, [1], sponge) != elements_digest(Tag.LIST, [1], sponge)


def test_a_word_at_the_prime_is_not_canonical() -> None:
    """EX-274: a digest's words are below the prime."""
    assert is_canonical(to_bytes((2130706432,) * 8))
    assert not is_canonical(to_bytes((0,) * 7 + (2130706433,)))
    assert to_elements(to_bytes(tuple(range(8)))) == tuple(range(8))
