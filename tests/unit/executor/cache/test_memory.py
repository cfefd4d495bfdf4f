"""The layer in memory."""

from hypothesis import given
from hypothesis import strategies as st

from veritape.executor.cache.memory import Eviction, MemoryLayer


def test_the_least_recently_used_goes_first() -> None:
    """EX-403: bounded by entries; a look-up keeps an entry young."""
    layer: MemoryLayer[str] = MemoryLayer(2, 1000)
    layer.put(b"a", "A", 10, 0)
    layer.put(b"b", "B", 10, 0)
    assert layer.get(b"a", 0) == ("A", [])
    assert layer.put(b"c", "C", 10, 0) == [Eviction.ENTRIES]
    assert layer.get(b"b", 0) == (None, [])
    assert (len(layer), layer.held_bytes) == (2, 20)


def test_bytes_are_bounded_and_a_large_value_is_not_kept() -> None:
    """EX-403: a value larger than an eighth of the layer is not stored there."""
    layer: MemoryLayer[int] = MemoryLayer(100, 80)
    assert layer.put(b"large", 1, 11, 0) == []
    assert layer.get(b"large", 0) == (None, [])
    for number in range(8):
        assert layer.put(bytes([number]), number, 10, 0) == []
    assert layer.put(b"x", 8, 10, 0) == [Eviction.BYTES]
    assert layer.held_bytes == 80


def test_an_old_entry_is_gone() -> None:
    """EX-403: with a TTL an entry is a miss from that age on, and counted."""
    layer: MemoryLayer[int] = MemoryLayer(10, 1000, ttl_ns=5)
    layer.put(b"a", 1, 1, 100)
    assert layer.get(b"a", 104) == (1, [])
    assert layer.get(b"a", 105) == (None, [Eviction.TTL])
    layer.put(b"a", 1, 1, 100)
    layer.put(b"a", 2, 3, 100)
    assert layer.held_bytes == 3
    layer.clear()
    assert (len(layer), layer.held_bytes) == (0, 0)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 20), st.booleans()), max_size=60))
def test_the_bounds_hold_for_any_history(steps: list[tuple[int, int, bool]]) -> None:
    """EX-403: entries and bytes never exceed their limits, and the bytes are those of what is held."""
    layer: MemoryLayer[int] = MemoryLayer(5, 60)
    for key, size, drop in steps:
        if drop:
            layer.drop(bytes([key]))
        else:
            layer.put(bytes([key]), size, size, 0)
        assert len(layer) <= 5
        assert layer.held_bytes <= 60
        held = [value for number in range(10) if (value := layer.get(bytes([number]), 0)[0]) is not None]
        assert sum(held) == layer.held_bytes
