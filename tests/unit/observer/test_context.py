"""The day's first choice: the rank, its caps, its times."""

import pytest

from veritape.observer.context import choice_s, rank, ranks
from veritape.observer.sessions import Hours
from veritape.observer.triggers import Snapshot


def row(price: int = 100, high: int = 110, low: int = 100, shares: int = 1_000, opened: int = 100, reference: int = 100) -> Snapshot:  # fmt: skip
    return Snapshot(price, opened, high, low, shares, shares * price, reference)


def test_the_worked_example() -> None:
    """OB-393: ratios 3.0 and 2.0, change +5 %: 1.2 + 0.6 + 1.5 = 3.3."""
    assert rank(3.0, 2.0, 0.05) == pytest.approx(3.3)
    assert rank(3.0, 2.0, -0.05) == pytest.approx(3.3)


def test_no_number_decides_alone() -> None:
    """OB-393: a stock at its limit scores 3 from change, not 9; the largest rank is 10."""
    assert rank(0, 0, 0.30) == pytest.approx(3.0)
    assert rank(1e9, 1e9, 1e9) == pytest.approx(10.0)


def test_ratios_are_against_yesterdays_pace_and_the_universes_median() -> None:
    """OB-392: a = shares / (previous x elapsed / session), b = range / median range, c = price / reference - 1."""
    rows = {"A": row(shares=3_000, high=120), "B": row(), "C": row(reference=80)}
    found = ranks(rows, {"A": 13_000, "B": 13_000, "C": 13_000}, 1_800, 23_400)
    assert found == pytest.approx({"A": 0.4 * 3 + 0.3 * 2, "B": 0.4 + 0.3, "C": 0.4 + 0.3 + 0.3 * 10})


def test_what_is_not_known_is_nothing() -> None:
    """OB-392: previous_shares 0 or open 0: ratio 0."""
    found = ranks({"A": row(opened=0), "B": row(reference=0)}, {}, 1_800, 23_400)
    assert found == {"A": 0.0, "B": pytest.approx(0.3 * 2)}
    assert ranks({}, {}, 1_800, 23_400) == {}
    assert ranks({"A": row(opened=0)}, {}, 1_800, 23_400) == {"A": 0.0}


@pytest.mark.parametrize(("opened", "second"), [(9 * 3600, 9 * 3600 + 1800), (10 * 3600, 10 * 3600 + 1800)])
def test_the_time_moves_with_the_open(opened: int, second: int) -> None:
    """OB-392, OB-1020: 30 minutes after the open, on a late one too."""
    assert choice_s(Hours(opened, opened + 23_400), 30) == second
