"""Which months may go, and which events of theirs may still come."""

from hypothesis import given
from hypothesis import strategies as st
from tests.usage import BOOT, WALL_US, charges

from veritape.gateway.quota import month_of
from veritape.gateway.retention import DAY_US, due, kept_since, unwritten

OTHER = b"87654321"


def test_a_month_is_due_when_its_last_day_is_old_enough() -> None:
    """GW-684: 400 days before 2026-11-20 is 2025-10-16: September went, October stays whole."""
    assert due(["2025-10", "2025-09", "2026-11", "2024-12"], WALL_US, 400) == ["2024-12", "2025-09"]
    assert due([], WALL_US, 400) == []


@given(st.integers(WALL_US, WALL_US + 4_000 * DAY_US), st.integers(62, 36_500), st.integers(0, 800))
def test_nothing_younger_is_ever_due(wall_us: int, days: int, age_days: int) -> None:
    """GW-684: the month of a moment is due only when all of it is older than the days that stay."""
    at_us = wall_us - age_days * DAY_US
    month = month_of(at_us)
    ended_us = at_us + month.left_us
    assert (due([month.period], wall_us, days) != []) == (
        ended_us <= month_start_us(kept_since(wall_us, days))
    )


def month_start_us(wall_us: int) -> int:
    """Return the first instant of a moment's month."""
    month = month_of(wall_us)
    return wall_us + month.left_us - month.length_s * 1_000_000


def test_repeated_events_of_a_retired_month_are_left_out() -> None:
    """GW-664, GW-684: up to its boot's mark an event was written before; a later one, and any of another month, is new."""
    asked: list[bytes] = []

    def mark_of(boot: bytes) -> int:
        asked.append(boot)
        return 3 if boot == BOOT else 0

    events = [*charges(5), *charges(2, OTHER), charges(1)[0]._replace(period="2026-12")]
    assert unwritten(events, {"2026-11"}, mark_of) == [events[3], events[4], *events[5:]]
    assert sorted(asked) == [BOOT, OTHER]
    asked.clear()
    assert unwritten(events, {"2026-10"}, mark_of) is events
    assert asked == []
