"""The limiter: no window of arrivals holds more than N, whatever the network does."""

import random

import pytest

from veritape.observer.pacing import Pacer

SECOND = 1_000_000_000


@pytest.mark.parametrize("spacing", [True, False])
def test_no_sliding_second_of_arrivals_holds_more_than_the_permits(spacing: bool) -> None:
    """OB-252, OB-253: for any network delays; checked by brute force over random ones."""
    chance = random.Random(5)
    pacer, now = Pacer(18, spacing), 0
    arrivals: list[int] = []
    answers: list[int] = []
    while len(arrivals) < 2_000:
        for at in sorted(answer for answer in answers if answer <= now):
            pacer.answered(at)
            answers.remove(at)
        again = pacer.grant(now)
        if again is None:
            there, back = chance.choice((1, SECOND // 100, SECOND // 2)), chance.choice((1, SECOND // 3))
            arrivals.append(now + there)
            answers.append(now + there + back)
        else:
            now = min([again, *answers])
    arrivals.sort()
    for index in range(len(arrivals) - 18):
        assert arrivals[index + 18] - arrivals[index] >= SECOND


def test_grants_are_spread_over_the_second() -> None:
    """OB-254: spaced by 1/N s; spacing = false removes only this."""
    pacer = Pacer(10)
    assert pacer.grant(0) is None
    assert pacer.grant(0) == SECOND // 10
    assert pacer.grant(SECOND // 10) is None
    burst = Pacer(10, spacing=False)
    assert [burst.grant(0) for _ in range(11)] == [None] * 10 + [SECOND]


def test_a_clock_that_stands_still_or_steps_back_grants_no_more() -> None:
    """OB-255: a now below the last seen counts as the last seen."""
    pacer = Pacer(2, spacing=False)
    assert [pacer.grant(5 * SECOND), pacer.grant(4 * SECOND)] == [None, None]
    pacer.answered(3 * SECOND)
    assert pacer.grant(0) == 6 * SECOND
    assert pacer.in_use == 2


def test_a_call_that_was_never_sent_returns_its_permit_at_once() -> None:
    """OB-255: cancelled before it was sent."""
    pacer = Pacer(1, spacing=False)
    assert pacer.grant(0) is None
    pacer.cancelled()
    assert pacer.grant(0) is None
