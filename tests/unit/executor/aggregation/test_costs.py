"""Samples become figures."""

from veritape.executor.aggregation.costs import Figure, Line, costs_of


def test_a_figure_needs_three_samples_and_keeps_twenty() -> None:
    """EX-446: medians over the last 20 runs; fewer than 3 samples are no figure."""
    samples = {
        Figure.LEAF_S: [(1, 9.0)] * 5 + [(1, value) for value in [0.1] * 11 + [0.3] * 9],
        Figure.LAST_S: [(1, 7.0)] * 2,
    }
    assert costs_of(samples) == {Figure.LEAF_S: Line(0.1)}


def test_a_cost_that_grows_is_a_line() -> None:
    """EX-446: t_batch(n) is fitted as c0 + c1 n; one number alone, or a falling line, gives the median."""
    batch = [(n, 0.4 + 0.004 * n) for n in (10, 100, 1000)]
    found = costs_of(
        {
            Figure.BATCH_S: batch,
            Figure.NODE_S: [(10, 6.0)] * 3,
            Figure.BRIDGE_S: [(1, 3.0), (2, 2.0), (3, 1.0)],
        }
    )
    assert abs(found[Figure.BATCH_S].at(50) - 0.6) < 1e-9
    assert found[Figure.NODE_S] == Line(6.0)
    assert found[Figure.BRIDGE_S] == Line(2.0)
