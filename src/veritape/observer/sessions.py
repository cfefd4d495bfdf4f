"""Days and phases of the venue: when to prepare, connect, sweep, anchor and seal (OB-123, OB-124).

All times follow the day's open and close, so a shifted or shortened day moves everything with it. A day's hours come
from the override file; days that it does not name are ordinary weekdays.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Final

from veritape.kernel.errors import MisuseError

MINUTE_S: Final = 60
"""Seconds in a minute."""

USUAL_OPEN_S, USUAL_CLOSE_S = 9 * 3600, 15 * 3600 + 30 * 60
"""An ordinary day of KRX, seconds since midnight in Seoul."""

SATURDAY: Final = 5
"""``date.weekday()`` of the first day without a session."""


class Phase(StrEnum):
    """What the recorder does at a time of day."""

    CLOSED = "closed"
    """No session today."""
    BEFORE = "before"
    """Too early."""
    PREPARE = "prepare"
    """Universe, token, clock."""
    CONNECT = "connect"
    """WebSocket up, slots subscribed and acknowledged."""
    CONTINUOUS = "continuous"
    """Sweeps, slots."""
    AUCTION_CLOSE = "auction_close"
    """Recorded; silence is normal."""
    SETTLE = "settle"
    """Late prints are recorded."""
    ANCHOR = "anchor"
    """Anchor sweeps and tail closing, then slots are released."""
    AFTER = "after"
    """Seal, export, audit."""


@dataclass(frozen=True)
class Hours:
    """One session."""

    open_s: int
    """Open, seconds since midnight in Seoul."""
    close_s: int
    """Close."""

    def phases(self) -> tuple[tuple[int, Phase], ...]:
        """Return (first second, phase) in order."""
        close_auction = max(self.open_s, self.close_s - 10 * MINUTE_S)
        return (
            (0, Phase.BEFORE),
            (self.open_s - 60 * MINUTE_S, Phase.PREPARE),
            (self.open_s - 5 * MINUTE_S, Phase.CONNECT),
            (self.open_s, Phase.CONTINUOUS),
            (close_auction, Phase.AUCTION_CLOSE),
            (self.close_s, Phase.SETTLE),
            (self.close_s + 3 * MINUTE_S, Phase.ANCHOR),
            (self.close_s + 10 * MINUTE_S, Phase.AFTER),
        )


USUAL: Final = Hours(USUAL_OPEN_S, USUAL_CLOSE_S)
"""An ordinary day."""


def phase_at(hours: Hours | None, second: int) -> Phase:
    """Return the phase of a second of the day; None for the hours means that there is no session."""
    if hours is None:
        return Phase.CLOSED
    return max(
        (start, index, phase) for index, (start, phase) in enumerate(hours.phases()) if start <= second
    )[2]


class Calendar:
    """Sessions by date: the override file's rows, else weekdays with the usual hours."""

    def __init__(self, overrides: Mapping[str, Hours | None]) -> None:
        self._overrides = dict(overrides)

    def hours(self, day: str) -> Hours | None:
        """Return a day's session, None when the exchange is closed."""
        if day in self._overrides:
            return self._overrides[day]
        return USUAL if _date(day).weekday() < SATURDAY else None

    def next_session(self, day: str) -> str:
        """Return the first day after this one that has a session."""
        return self._walk(day, 1)

    def last_close(self, day: str) -> str:
        """Return when the session before this day closed, ``YYYY-MM-DD HH:MM:SS``."""
        before = self._walk(day, -1)
        hours = self.hours(before) or USUAL
        clock = f"{hours.close_s // 3600:02}:{hours.close_s // 60 % 60:02}:00"
        return f"{before[:4]}-{before[4:6]}-{before[6:]} {clock}"

    def _walk(self, day: str, step: int) -> str:
        reached = _date(day)
        while True:
            reached += timedelta(days=step)
            text = reached.strftime("%Y%m%d")
            if self.hours(text) is not None:
                return text


def read_overrides(data: bytes, source: str) -> dict[str, Hours | None]:
    """Read an override file.

    Raises:
        MisuseError: naming the row: an unknown key, a wrong value, an open after the close, or a date given twice.
    """
    try:
        document = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MisuseError(f"{source}: not TOML: {error}") from error
    rows = document.pop("day", [])
    if document or not isinstance(rows, list):
        raise MisuseError(f"{source}: expected [[day]] rows only, found {', '.join(document) or 'day'}")
    days: dict[str, Hours | None] = {}
    for number, row in enumerate(rows, 1):
        day, hours = _row(row, f"{source}: row {number}")
        if day in days:
            raise MisuseError(f"{source}: row {number}: {day} is given twice")
        days[day] = hours
    return days


def _row(row: Mapping[str, Any], place: str) -> tuple[str, Hours | None]:
    if not isinstance(row, dict) or (unknown := set(row) - {"date", "kind", "open", "close", "reason"}):
        raise MisuseError(
            f"{place}: unknown key {', '.join(sorted(unknown)) if isinstance(row, dict) else row}"
        )
    try:
        day = date.fromisoformat(str(row.get("date")))
    except ValueError:
        raise MisuseError(f"{place}: date {row.get('date')!r} is not YYYY-MM-DD") from None
    kind = row.get("kind")
    if kind not in {"closed", "session"}:
        raise MisuseError(f"{place}: kind {kind!r} is neither closed nor session")
    if kind == "closed":
        return day.strftime("%Y%m%d"), None
    open_s, close_s = (_seconds(row.get(name), f"{place}: {name}") for name in ("open", "close"))
    if open_s >= close_s:
        raise MisuseError(f"{place}: the open {row['open']} is not before the close {row['close']}")
    return day.strftime("%Y%m%d"), Hours(open_s, close_s)


def _seconds(text: object, place: str) -> int:
    parts = str(text).split(":")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):  # noqa: PLR2004 - hours, minutes
        raise MisuseError(f"{place} {text!r} is not HH:MM")
    hours, minutes = map(int, parts)
    if hours > 23 or minutes > 59:  # noqa: PLR2004 - a time of day
        raise MisuseError(f"{place} {text!r} is not a time of day")
    return hours * 3600 + minutes * 60


def _date(day: str) -> date:
    return date(int(day[:4]), int(day[4:6]), int(day[6:]))
