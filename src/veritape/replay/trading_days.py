"""The broker's calendar: rows of days from a date on, twenty a page (KIS-068, KIS-069).

Weekdays are open, as the replay plays them; the fault ``holiday`` closes one. The calendar reaches sixty days.
"""

from collections.abc import Collection
from datetime import date, timedelta
from typing import Final

from veritape.replay.schedule import SATURDAY

REACH_DAYS: Final = 60
"""Days of the calendar after the first one that is asked for, itself included."""

KEY_LETTERS: Final = 20
"""Letters of a continuation key, blanks at its end included: they must come back byte for byte (KIS-051)."""


def rows(first: str, start: str, count: int, closed: Collection[str]) -> list[dict[str, str]]:
    """Return up to ``count`` days from ``start`` on.

    Args:
        first: date that the first page was asked for, YYYYMMDD; the calendar's reach counts from it.
        start: date of the first row.
        count: most rows.
        closed: weekdays without a session.
    """
    begin, end = read_date(start), read_date(first) + timedelta(days=REACH_DAYS)
    days = [begin + timedelta(days=step) for step in range(count)]
    return [_row(day, closed) for day in days if day < end]


def following(first: str, start: str, count: int) -> str | None:
    """Return the date that begins the next page, None after the last."""
    next_start = read_date(start) + timedelta(days=count)
    return (
        None if next_start >= read_date(first) + timedelta(days=REACH_DAYS) else next_start.strftime("%Y%m%d")
    )


def key(text: str) -> str:
    """Return a continuation key with its blanks."""
    return text.ljust(KEY_LETTERS)


def read_date(text: str) -> date:
    """Return the date of YYYYMMDD.

    Raises:
        ValueError: it is none.
    """
    if len(text) != 8 or not text.isascii() or not text.isdigit():  # noqa: PLR2004 - YYYYMMDD
        raise ValueError(text)
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def _row(day: date, closed: Collection[str]) -> dict[str, str]:
    text = day.strftime("%Y%m%d")
    is_open = "Y" if day.weekday() < SATURDAY and text not in closed else "N"
    return {
        "bass_dt": text,
        "wday_dvsn_cd": f"{(day.weekday() + 1) % 7 + 1:02}",
        "bzdy_yn": is_open,
        "tr_day_yn": is_open,
        "opnd_yn": is_open,
        "sttl_day_yn": is_open,
    }
