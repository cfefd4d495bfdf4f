"""The source's estimates, recomputed."""

import pytest

from veritape.executor.aggregation.estimates import CALLED, FAULTS, estimate
from veritape.executor.aggregation.plans import Factors, Label

SMALL = Factors(10, 25, 125)
LARGE = Factors(10, 100, 1000)
TABLE = [
    (5, Label.NONE, (5, 40.8, 1, 0, 0), (5, 40.8, 1)),
    (6, Label.SINGLE, (1, 244.9, 6, 83.33, 80.0), (1, 244.9, 6)),
    (10, Label.SINGLE, (1, 408.2, 10, 90.0, 88.0), (1, 408.2, 10)),
    (11, Label.SINGLE, (2, 224.5, 5.5, 81.82, 78.18), (2, 224.5, 5.5)),
    (25, Label.SINGLE, (3, 340.1, 8.33, 88.0, 85.6), (3, 340.1, 8.33)),
    (50, Label.SINGLE, (5, 408.2, 10, 90.0, 88.0), (5, 408.2, 10)),
    (51, Label.TWO_LEVEL, (1, 2081.6, 51, 98.04, 97.65), (3, 693.9, 17)),
    (100, Label.TWO_LEVEL, (1, 4081.6, 100, 99.0, 98.8), (4, 1020.4, 25)),
    (101, Label.TWO_LEVEL, (2, 2061.2, 50.5, 98.02, 97.62), (5, 824.5, 20.2)),
    (150, Label.TWO_LEVEL, (2, 3061.2, 75, 98.67, 98.4), (6, 1020.4, 25)),
    (200, Label.TWO_LEVEL, (2, 4081.6, 100, 99.0, 98.8), (8, 1020.4, 25)),
    (500, Label.TWO_LEVEL, (5, 4081.6, 100, 99.0, 98.8), (20, 1020.4, 25)),
    (501, Label.THREE_LEVEL, (1, 20449.0, 501, 99.8, 99.76), (5, 4089.8, 100.2)),
    (800, Label.THREE_LEVEL, (1, 32653.1, 800, 99.88, 99.85), (7, 4664.7, 114.29)),
    (1000, Label.THREE_LEVEL, (1, 40816.3, 1000, 99.9, 99.88), (8, 5102.0, 125)),
    (1001, Label.THREE_LEVEL, (2, 20428.6, 500.5, 99.8, 99.76), (9, 4539.7, 111.22)),
]


@pytest.mark.parametrize(("count", "label", "large", "small"), TABLE)
def test_the_table_of_the_specification(
    count: int, label: Label, large: tuple[float, ...], small: tuple[float, ...]
) -> None:
    """EX-444: every row of the table, for the medium and large factors and for the small ones."""
    found, found_small = estimate(count, label, LARGE), estimate(count, label, SMALL)
    assert found is not None
    assert found_small is not None
    assert tuple(found.shown().values()) == large
    assert tuple(found_small.shown().values())[:3] == small


def test_every_key_is_called_an_estimate() -> None:
    """EX-444: keys begin with estimate_; nothing is estimated for no claims; the faults are told with the figures."""
    found = estimate(10, Label.SINGLE, LARGE)
    assert found is not None
    assert all(name.startswith("estimate_") for name in found.shown())
    assert estimate(0, Label.NONE, LARGE) is None
    assert CALLED == "estimate, from the source documents"
    assert len(FAULTS) == 4
