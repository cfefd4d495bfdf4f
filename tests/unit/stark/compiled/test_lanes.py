"""States side by side agree with the readable permutation."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compiled import SIMULATOR

from veritape.stark import hashing
from veritape.stark.compiled import lanes
from veritape.stark.field import P

EDGES = st.sampled_from([0, 1, 2, P // 2, P - 2, P - 1])
STATES = st.lists(
    st.lists(EDGES | st.integers(0, P - 1), min_size=16, max_size=16), min_size=1, max_size=lanes.LANES
)


@settings(max_examples=50, deadline=None)
@given(STATES)
def test_each_column_is_permuted_as_if_alone(states: list[list[int]]) -> None:
    """ST-003, ST-060: whatever stands in the other columns, also where every sum is as large as it can be."""
    assert SIMULATOR.sponge(1, 0, []) == hashing.sponge(1, 0, [])
    columns = (states * lanes.LANES)[: lanes.LANES]
    entered = [[element * 2**32 % P for element in column] for column in columns]
    array = np.array(entered, dtype=np.uint64).T.copy()
    lanes.permute(array)
    assert array.max() < 80 * P
    back = pow(2**32, -1, P)
    found = [[int(element) * back % P for element in column] for column in array.T]
    assert found == [hashing.permute(column) for column in columns]
