"""The layer in memory."""

from hypothesis import given
from hypothesis import strategies as st

from veritape.executor.cache.memory import Eviction, MemoryLayer

TEN = bytes(10)


def test_the_least_recently_used_goes_first() -> None:
    """EX-403: bounded by entries; a look-up keeps an entry young."""
    layer = MemoryLayer(2, 1000)
    layer.put({b"a": TEN, b"b": TEN}, 0)
    assert layer.get(b"a", 0) == (TEN, [])
    assert layer.put({b"c": TEN}, 0) == [Eviction.ENTRIES]
    assert layer.get(b"b", 0) == (None, [])
    assert layer.among([b"a", b"b", b"c", b"d"]) == {b"a", b"c"}
    assert (len(layer), layer.held_bytes) == (2, 20)


def test_bytes_are_bounded_and_a_large_value_is_not_kept() -> None:
    """EX-403: a value larger than an eighth of the layer is not stored there, nor what it would replace; others with it are."""
    layer = MemoryLayer(100, 80)
    layer.put({b"large": TEN}, 0)
    assert layer.put({b"large": bytes(11), b"x": b""}, 0) == []
    assert layer.among([b"large", b"x"]) == {b"x"}
    assert layer.put({bytes([number]): TEN for number in range(8)}, 0) == []
    assert layer.put({b"y": TEN}, 0) == [Eviction.BYTES, Eviction.BYTES]
    assert layer.held_bytes == 80


def test_an_old_entry_is_gone() -> None:
    """EX-403: with a TTL an entry is a miss from that age on, and counted."""
    layer = MemoryLayer(10, 1000, ttl_ns=5)
    layer.put({b"a": b"1"}, 100)
    assert layer.get(b"a", 104) == (b"1", [])
    assert layer.get(b"a", 105) == (None, [Eviction.TTL])
    layer.put({b"a": b"1"}, 100)
    layer.put({b"a": b"222"}, 102)
    assert layer.get(b"a", 106) == (b"222", [])
    assert layer.held_bytes == 3
    layer.clear()
    assert (len(layer), layer.held_bytes) == (0, 0)


STEPS = st.lists(
    st.tuples(st.dictionaries(st.integers(0, 9), st.integers(0, 20), max_size=4), st.booleans()), max_size=30
)


@given(STEPS)
def test_many_at_once_are_kept_as_one_by_one(steps: list[tuple[dict[int, int], bool]]) -> None:
    """EX-403: entries and bytes never exceed their limits, and what is held is the same however it came."""
    together, single = MemoryLayer(5, 60, 100), MemoryLayer(5, 60, 100)
    for sizes, drop in steps:
        receipts = {bytes([key]): bytes(size) for key, size in sizes.items()}
        if drop:
            for key in receipts:
                together.drop(key)
                single.drop(key)
        else:
            together.put(receipts, 0)
            for key in single.among(receipts):
                single.drop(key)
            for key, data in receipts.items():
                single.put({key: data}, 0)
        held = [[layer.get(bytes([key]), 0)[0] for key in range(10)] for layer in (together, single)]
        assert held[0] == held[1]
        found = [data for data in held[0] if data is not None]
        assert len(found) == len(together) <= 5
        assert sum(map(len, found)) == together.held_bytes <= 60
