"""Steps of the wall clock."""

from hypothesis import given
from hypothesis import strategies as st

from veritape.observer.clock_steps import PAUSE_NS, STEP_NS, ClockSteps

SECOND = 10**9


def test_a_step_is_told_once() -> None:
    """OB-004: over 500 ms in either direction; what it was is told, and afterwards the new time counts."""
    steps = ClockSteps()
    told = []
    for turn, ahead_ns in enumerate(
        [0, 0, STEP_NS, 7200 * SECOND, 7200 * SECOND, 7110 * SECOND, 7110 * SECOND]
    ):
        now_ns = turn * SECOND
        told.append(steps.look(now_ns, now_ns + ahead_ns, now_ns + 1000))
    assert told == [0, 0, 0, 7200 * SECOND, 0, -90 * SECOND, 0]


def test_a_process_that_stood_still_between_two_readings_saw_no_step() -> None:
    """OB-004: the difference is then its own pause."""
    steps = ClockSteps()
    assert steps.look(0, 0, 1) == 0
    assert steps.look(SECOND, 9 * SECOND, SECOND + PAUSE_NS + 1) == 0
    assert steps.look(10 * SECOND, 10 * SECOND, 10 * SECOND + 1) == 0


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1))
def test_steps_add_up(ahead: list[int]) -> None:
    """OB-004: whatever the clock does, what was told is off by less than a step from what it did."""
    steps, told = ClockSteps(), 0
    for turn, ahead_ns in enumerate(ahead):
        told += steps.look(turn * SECOND, turn * SECOND + ahead_ns, turn * SECOND)
    assert abs(told - (ahead[-1] - ahead[0])) <= STEP_NS
