"""Steps of the wall clock."""

from hypothesis import given
from hypothesis import strategies as st

from veritape.observer.clock_steps import (
    CERTAIN,
    PAUSE_NS,
    STEP_NS,
    ClockSettings,
    ClockSteps,
    Margin,
    SteadyLine,
)

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


def test_stamps_of_a_stepped_clock_lie_on_one_line() -> None:
    """OB-004: before, across and after steps; what may be of either side of one is the latest that has come already."""
    line, day = SteadyLine(), 86_400 * SECOND
    assert line.look(day, 5) == day
    assert line.moments([day - 1, day, day + 9]) == [day - 1, day], "what has not come yet is now"
    back = day - 3600 * SECOND
    assert line.look(back + 5 * SECOND, 5 + 5 * SECOND) == day + 5 * SECOND
    assert line.moments([day + SECOND, back + 2 * SECOND, back + 2 * SECOND]) == [
        day + SECOND,
        day + 2 * SECOND,
    ]
    assert line.look(back + 6 * SECOND, 5 + 6 * SECOND) == day + 6 * SECOND
    assert line.moments([back + 6 * SECOND]) == [day + 6 * SECOND]
    ahead = day + 3600 * SECOND
    assert line.look(ahead + 7 * SECOND, 5 + 7 * SECOND) == day + 7 * SECOND
    assert line.moments([ahead + 7 * SECOND, back + 6 * SECOND + 1]) == [
        day + 6 * SECOND + 1,
        day + 7 * SECOND,
    ]


def test_a_moment_lies_between_what_the_settings_of_the_clock_say() -> None:
    """OB-004: an hour back and two forward: what was noted before, between and after."""
    settings = ClockSettings()
    assert settings.margin() == CERTAIN
    assert settings.take(10_000 * SECOND, 0) == settings.take(10_001 * SECOND, SECOND) == CERTAIN
    assert settings.take(6_402 * SECOND, 2 * SECOND) == Margin(3_600, 0)
    assert settings.margin() == Margin(0, 3_600)
    assert settings.take(13_603 * SECOND + 1, 3 * SECOND) == Margin(0, 3_601), "rounded up"
    assert settings.margin() == Margin(7_201, 0)
    assert settings.take(13_604 * SECOND + STEP_NS, 4 * SECOND) == CERTAIN, "no step"


def test_a_process_goes_on_with_the_settings_of_the_one_before() -> None:
    """OB-675: what was doubtful stays so, also on a machine that was started meanwhile; set back, the time before may have been right."""
    settings = ClockSettings()
    settings.take(10_000 * SECOND, 0)
    settings.take(13_601 * SECOND, SECOND)
    settings.restarted(13_700 * SECOND, 100 * SECOND, 0)
    assert settings.margin() == Margin(3_600, 0)
    settings.restarted(13_000 * SECOND, 200 * SECOND, 800 * SECOND)
    assert settings.margin() == Margin(2_800, 800)
    settings.restarted(20_000 * SECOND, 5, 0)
    assert settings.margin() == Margin(2_800, 800)
    settings.restarted(15_000 * SECOND, 10 * SECOND, 5_010 * SECOND)
    assert settings.margin() == Margin(0, 5_810)
