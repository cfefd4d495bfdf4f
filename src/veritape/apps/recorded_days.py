"""Which recording, and which day of it, a command was pointed at: the refusals that all of them share."""

from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Final

from veritape.kernel.errors import MisuseError

DATA: Final = "the recorder's data directory"
"""What ``--data`` wants, for messages."""


def require_folder(folder: Path, option: str, holds: str) -> Path:
    """Return a folder that a command reads.

    Args:
        folder: what was given.
        option: which option gave it.
        holds: what the folder holds, for the message.

    Raises:
        MisuseError: there is no such folder.
    """
    if not folder.is_dir():
        raise MisuseError(f"{option} {folder}: no such folder: give {holds}")
    return folder


def require_recording(days: Collection[str], data: Path, venue: str) -> None:
    """Refuse a folder that holds no day of a venue.

    Raises:
        MisuseError: it holds none.
    """
    if not days:
        raise MisuseError(f"no recording of {venue} in {data}: give the folder that holds journal/")


def recorded_day(day: str | None, days: Collection[str], data: Path, venue: str) -> str:
    """Return the day that was asked for, the newest one when none was.

    Args:
        day: YYYYMMDD, or None.
        days: that were recorded.
        data: the recorder's data directory.
        venue: whose recording.

    Raises:
        MisuseError: nothing was recorded there, or not on this day.
    """
    require_recording(days, data, venue)
    chosen = day or max(days)
    if chosen not in days:
        raise MisuseError(f"no recording of day {chosen} in {data}: recorded are {', '.join(sorted(days))}")
    return chosen


def require_date(day: str | None) -> None:
    """Refuse what is no date.

    Raises:
        MisuseError: not YYYYMMDD.
    """
    try:
        if day is None or date.fromisoformat(day).strftime("%Y%m%d") == day:
            return
    except ValueError:
        pass
    raise MisuseError(f"--day {day}: expected a date as YYYYMMDD")
