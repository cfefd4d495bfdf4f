"""A day in memory: its lines and its watched spans."""

from veritape.observer.gaps import Cause, Watch
from veritape.observer.recorded_days import CodeFacts, Day


def test_a_line_is_opened_once_with_what_the_master_file_said() -> None:
    """OB-001, OB-604: its reference price bounds what a missing trade may have cost; 0 when the code was in no file."""
    day = Day("20131007", facts={"990001": CodeFacts(1_800_000, 5_000)})
    line = day.line("990001")
    assert (line.reference_price, day.line("990002").reference_price) == (1_800_000, 0)
    assert day.line("990001") is line
    assert list(day.lines) == ["990001", "990002"]


def test_spans_follow_each_other() -> None:
    """OB-343, OB-673: a span ends with its cause; a second begin ends the one that is open; an end without a begin is none."""
    day = Day("20131007")
    day.closed_watch("990001", 32_400, Cause.WS_DISCONNECT)
    assert (day.watches, day.lines) == ({}, {})
    day.opened_watch("990001", 32_400)
    day.opened_watch("990001", 32_500)
    day.closed_watch("990001", 32_600, Cause.WS_DISCONNECT)
    day.closed_watch("990001", 32_700, Cause.OPERATOR_STOP)
    assert day.watches == {
        "990001": [
            Watch(32_400, 32_500, Cause.NOT_WATCHED),
            Watch(32_500, 32_600, Cause.WS_DISCONNECT),
        ]
    }
    assert list(day.lines) == ["990001"]


def test_a_day_is_closed_by_the_recorder_alone() -> None:
    """OB-680: not by the time of day."""
    assert not Day("20131007").closed
    assert Day("20131007", closed_ns=1).closed
