"""Months in tests of a real store, whose clock is the machine's: what adds up a month does not begin at its end."""

import time

from tests.waiting import PATIENCE_S

from veritape.gateway.quota import MICROSECONDS, Month, month_of
from veritape.kernel.clock import SystemClock

ROOM_US = PATIENCE_S * MICROSECONDS
"""What a test needs of its month: as long as it may wait for anything."""


def month_later(months: int = 0) -> str:
    """Return the name of the present month, or of one so many months later: a store forgets those that are long past."""
    present_year, present_month = map(int, _now().period.split("-"))
    year, month = divmod(present_year * 12 + present_month - 1 + months, 12)
    return f"{year:04}-{month + 1:02}"


def wait_for_room() -> None:
    """Wait, when the month is about to end, for the next one."""
    while (month := _now()).left_us < ROOM_US:
        time.sleep(min(month.left_us / MICROSECONDS + 0.001, 1.0))  # a clock may be set meanwhile


def _now() -> Month:
    return month_of(SystemClock().wall_ns() // 1_000)
