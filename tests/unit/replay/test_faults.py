"""Faults: requests and draws."""

import pytest

from veritape.kernel.errors import MisuseError
from veritape.replay.faults import Faults, draw, parse


def test_a_request_is_read() -> None:
    """OB-851: --fault name=value."""
    assert parse(["drop=0.01"], seed=9) == Faults(drop=0.01, seed=9)
    assert parse([]) == Faults()


@pytest.mark.parametrize(
    ("request_text", "words"),
    [
        ("melt=1", "known are drop"),
        ("drop=x", "not a number"),
        ("drop=2", "outside"),
        ("drop", "not a number"),
    ],
)
def test_a_bad_request_is_refused(request_text: str, words: str) -> None:
    """OB-851: an unknown name exits 2 with the list."""
    with pytest.raises(MisuseError, match=words):
        parse([request_text])


def test_draws_depend_on_seed_fault_and_ordinal_alone() -> None:
    """OB-853: deterministic, uniform in [0, 1)."""
    draws = [draw(7, "drop", number) for number in range(1, 2001)]
    assert draws == [draw(7, "drop", number) for number in range(1, 2001)]
    assert all(0 <= value < 1 for value in draws)
    assert 0.45 < sum(draws) / len(draws) < 0.55
    assert draw(8, "drop", 1) != draws[0] != draw(7, "duplicate", 1)


def test_nothing_is_lost_without_a_request() -> None:
    assert not any(Faults().drops(number) for number in range(1, 100))
    assert all(Faults(drop=1).drops(number) for number in range(1, 100))
