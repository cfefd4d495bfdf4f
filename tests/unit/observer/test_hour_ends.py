"""Hours that are over."""

from hypothesis import given
from hypothesis import strategies as st

from veritape.observer.hour_ends import is_over

TEN = 36_000


def test_an_hour_is_over_when_the_stream_left_it_and_late_records_had_time() -> None:
    """OB-551: neither the clock nor one record alone ends an hour."""
    assert not is_over(9, [], 10**6, 120), "nothing was recorded"
    assert not is_over(9, [TEN - 1], 10**6, 120), "the stream is still in it"
    assert not is_over(9, [TEN], TEN + 119, 120)
    assert is_over(9, [TEN], TEN + 120, 120)


def test_a_clock_that_was_set_back_keeps_no_hour_open() -> None:
    """OB-004, OB-551: two codes tell the time; one alone may be a damaged record."""
    assert not is_over(9, [TEN + 600, TEN - 5], TEN - 3_600, 120)
    assert is_over(9, [TEN + 600, TEN - 5, TEN + 120], TEN - 3_600, 120)


@given(
    st.lists(st.integers(0, 86_399)), st.integers(0, 23), st.integers(-90_000, 180_000), st.integers(0, 600)
)
def test_a_clock_alone_ends_no_hour(reached: list[int], hour: int, now_s: int, delay_s: int) -> None:
    """OB-551: as the rule reads, one clause after the other."""
    end_s = (hour + 1) * 3_600
    left = any(second >= end_s for second in reached)
    told = sum(second >= end_s + delay_s for second in reached) >= 2 or now_s >= end_s + delay_s
    assert is_over(hour, reached, now_s, delay_s) == (left and told)
