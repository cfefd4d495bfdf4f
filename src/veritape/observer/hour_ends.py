"""When an hour of the tape is over and may be sealed (OB-551).

The stream says it, by the venue's seconds in its records: an hour whose end no record has passed may still be on its way,
however late the clock is. What comes late has a delay to come in. That is measured by our clock; where it was set back the
records of two codes say it: one may be damaged.
"""

from collections.abc import Iterable
from heapq import nlargest
from typing import Final

HOUR_S: Final = 3_600
"""Seconds of an hour."""


def is_over(hour: int, reached: Iterable[int], now_s: int, delay_s: int) -> bool:
    """Tell whether an hour is over.

    Args:
        hour: of the venue's time.
        reached: second of each code's newest record.
        now_s: second of the day by our clock.
        delay_s: how long after its end records of an hour may come.
    """
    newest_s, second_s = (*nlargest(2, reached), 0, 0)[:2]
    end_s = (hour + 1) * HOUR_S
    return newest_s >= end_s and max(now_s, second_s) >= end_s + delay_s
