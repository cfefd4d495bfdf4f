"""Days, hours and the tape clock."""

import tomllib

import pytest

from veritape.replay.schedule import (
    LEAD_MS,
    TURN_NS,
    TapeClock,
    kst_datetime,
    midnight_ns,
    next_session_day,
    session,
)

OPEN_MS = 32_400_000


def test_a_whole_day_has_the_usual_hours() -> None:
    """OB-123: the row of the replay day has open 09:00 and close 15:30."""
    day = session("20131007")
    assert (day.open_ms, day.end_ms, day.start_ms) == (OPEN_MS, None, OPEN_MS - LEAD_MS)
    (row,) = tomllib.loads(day.calendar_row())["day"]
    assert row == {
        "date": "2013-10-07",
        "kind": "session",
        "open": "09:00",
        "close": "15:30",
        "reason": "replayed day",
    }


@pytest.mark.parametrize(("seconds", "close"), [(3600, "10:00"), (90, "09:02"), (600, "09:10")])
def test_a_partial_play_closes_at_its_end(seconds: int, close: str) -> None:
    """OB-813: the tape's end is that session's close, a whole minute."""
    day = session("20131007", until_ms=OPEN_MS + seconds * 1000)
    assert tomllib.loads(day.calendar_row())["day"][0]["close"] == close


@pytest.mark.parametrize(
    ("day", "following"), [("20131007", "20131008"), ("20131011", "20131014"), ("20131231", "20140101")]
)
def test_the_next_day_is_a_weekday(day: str, following: str) -> None:
    assert next_session_day(day) == following


def test_midnight_is_seouls() -> None:
    """OB-004: Seoul is nine hours ahead of UTC."""
    assert midnight_ns("19700102") == 15 * 3600 * 10**9
    assert kst_datetime(midnight_ns("20131007") + 1).strftime("%Y%m%d%H%M%S") == "20131007000000"


def test_the_clock_moves_with_real_time_times_the_speed_at_most_one_turn_at_once() -> None:
    """OB-810: one turn adds at most 20 ms of real time; a rest moves nothing; the clock never goes back."""
    clock = TapeClock(1_000, speed=60)
    clock.rest(0)
    clock.turn(5_000_000)
    assert clock.now_ns == 1_000 + 300_000_000
    clock.turn(10**12)
    assert clock.now_ns == 1_000 + 300_000_000 + TURN_NS * 60
    before = clock.now_ns
    clock.rest(2 * 10**12)
    clock.turn(2 * 10**12)
    clock.turn(10**12)
    assert clock.now_ns == before
    clock.jump(0, 10**12)
    assert clock.now_ns == before
    clock.jump(10_000, 10**12)
    assert clock.now_ms == 10_000
