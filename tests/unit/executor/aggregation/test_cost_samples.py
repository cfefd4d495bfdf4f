"""The file of measured costs."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from veritape.executor.aggregation.cost_samples import Measured, Origin, samples_of, with_measured
from veritape.executor.aggregation.costs import KEPT, Figure

HERE = Origin("a machine", "00" * 32)


def test_samples_hold_for_their_machine_and_parameters() -> None:
    """EX-446: parameter sets stand side by side; a file of another machine is begun anew."""
    other = Origin(HERE.machine, "11" * 32)
    data = with_measured(b"", HERE, [Measured(Figure.LEAF_S, 1, 0.1)])
    data = with_measured(data, other, [Measured(Figure.LEAF_S, 1, 9.0)])
    data = with_measured(data, HERE, [Measured(Figure.NODE_S, 10, 6.0), Measured(Figure.LEAF_S, 1, 0.2)])
    assert samples_of(data, HERE) == {Figure.LEAF_S: [(1, 0.1), (1, 0.2)], Figure.NODE_S: [(10, 6.0)]}
    assert samples_of(data, other) == {Figure.LEAF_S: [(1, 9.0)]}
    moved = Origin("another machine", HERE.parameters)
    assert samples_of(data, moved) == {}
    assert samples_of(with_measured(data, moved, []), HERE) == {}


def test_the_newest_twenty_stay() -> None:
    """EX-446: the last 20 runs."""
    data = b""
    for run in range(KEPT + 5):
        data = with_measured(data, HERE, [Measured(Figure.LAST_S, 1, float(run))])
    assert samples_of(data, HERE) == {Figure.LAST_S: [(1, float(run)) for run in range(5, KEPT + 5)]}


def test_the_format_is_the_documented_one() -> None:
    """EX-446: the worked example of docs/formats/measured-costs.md."""
    data = with_measured(b"", Origin("m", "00"), [Measured(Figure.BATCH_S, 84_000, 2.5)])
    assert data == (
        b'{"machine": "m", "parameters": {"00": {"t_batch": [[84000, 2.5]]}}, "schema": "veritape.costs/1"}'
    )


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["t_leaf", "", "00" * 32]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(Figure)), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(
    st.binary()
    | JSON.map(
        lambda held: json.dumps(
            {"schema": "veritape.costs/1", "machine": HERE.machine, "parameters": {HERE.parameters: held}}
        ).encode()
    )
)
def test_damage_costs_samples_and_nothing_else(data: bytes) -> None:
    """EX-446: whatever the file holds, what can be read counts, and a further sample is kept."""
    before = samples_of(data, HERE)
    after = samples_of(with_measured(data, HERE, [Measured(Figure.LEAF_S, 1, 0.5)]), HERE)
    assert after[Figure.LEAF_S] == [*before.get(Figure.LEAF_S, []), (1, 0.5)][-KEPT:]
    assert {figure for figure in after if figure not in before} <= {Figure.LEAF_S}


def test_a_number_that_no_sample_can_be_is_left_out() -> None:
    """EX-446: JSON holds integers of any length; one that no float holds is no cost, and costs no other sample."""
    held = {"t_leaf": [[1, 0.25], [1, 10**400], [1 << 63, 1], [1, -1], [1, True]]}
    document = {
        "schema": "veritape.costs/1",
        "machine": HERE.machine,
        "parameters": {HERE.parameters: held},
    }
    assert samples_of(json.dumps(document).encode(), HERE) == {Figure.LEAF_S: [(1, 0.25)]}
