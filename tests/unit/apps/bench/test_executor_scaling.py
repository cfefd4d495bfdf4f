"""One worker against two."""

import pytest
from tests.compiled import SIMULATOR

from veritape.apps.bench.executor_scaling import Measured, allowed, ceiling


@pytest.mark.parametrize(
    ("alone", "both", "ratio"),
    [
        (Measured(0, 0.0, 1.0), Measured(0, 0.0, 1.0), 2.0),
        (Measured(0, 0.2, 1.0), Measured(0, 0.25, 1.0), 1.6),
        (Measured(0, 2.0, 1.0), Measured(0, 2.0, 1.0), 1.0),
    ],
)
def test_processor_time_bounds_the_scaling(alone: Measured, both: Measured, ratio: float) -> None:
    """EX-913: without a parent two are twice as fast; a parent's time is taken from two; a parent that is slower decides alone."""
    assert allowed(alone, both) == pytest.approx(ratio)


def test_the_ceiling_is_measured() -> None:
    """EX-913: the kernel alone on two cores, beside the runtime in the same run."""
    assert SIMULATOR.digests(1, []) == []
    assert ceiling([bytes(12)] * 50) > 0
