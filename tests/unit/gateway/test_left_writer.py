"""What a response says of a bucket, written once."""

from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.fast_quota import left_units, plan_of
from veritape.gateway.left_writer import LeftWriter
from veritape.gateway.quota import Limits, make_rule


@given(
    st.integers(1, 2_000), st.sampled_from([1, 60, 3_600]), st.integers(1, 50),
    st.lists(st.floats(0, 1, exclude_min=True), min_size=1, max_size=30),
)  # fmt: skip
def test_what_was_told_of_a_step_holds_for_all_of_it(
    limit: int, window_s: int, burst: int, shares: list[float]
) -> None:
    """GW-603, GW-504: whatever debts were told before, each is told what the definition says of it."""
    side = plan_of(Limits(make_rule(limit, window_s, burst)), 1_000, 7).minute
    writer = LeftWriter(side, lambda *numbers: numbers)
    for share in shares:
        debt = min(side.cap, max(1, int(share * side.cap)))
        said = writer.told.get(-debt // writer.step) or writer.tell(debt)
        assert said == left_units(side, (debt, 5, side.weight), 0, 5)
    assert side.cap % writer.step == 0
