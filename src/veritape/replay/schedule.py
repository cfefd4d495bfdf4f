"""Which day is played, from when to when, and the clock that walks through it (OB-810, OB-813, OB-123)."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from veritape.kernel.clock import NANOSECONDS
from veritape.kernel.errors import MisuseError
from veritape.replay.series import OPEN_MS

MILLISECOND: Final = 1_000_000
"""Nanoseconds in a millisecond."""

MINUTE_MS: Final = 60_000
"""Milliseconds in a minute."""

DAY_NS: Final = 86_400 * NANOSECONDS
"""Nanoseconds in a day."""

DAY_MS: Final = 86_400_000
"""Milliseconds in a day."""

CLOSE_MS: Final = 15 * 3_600_000 + 30 * MINUTE_MS
"""End of a whole session, milliseconds since midnight in Seoul."""

TURN_NS: Final = 20 * MILLISECOND
"""Most real time that one turn of the clock adds: a stalled machine delays the tape and skips nothing."""

LEAD_MS: Final = 4 * MINUTE_MS
"""How long before the open the clock begins: inside every client's connect phase. While the tape waits for watchers it
walks at real speed, so that their pacing and time-outs work."""

START_MS: Final = 200
"""How long before the open the clock stands once every watcher is there."""

AFTER_MS: Final = 25 * MINUTE_MS
"""How long after the close the next day follows: seal, audit and reports lie before it."""

KST_NS: Final = 9 * 3_600 * NANOSECONDS
"""Seoul's offset from UTC; it has no daylight saving."""

SATURDAY: Final = 5
"""``date.weekday()`` of the first day without a session."""


@dataclass(frozen=True)
class Session:
    """One day of trading as it is played."""

    day: str
    """Business date, YYYYMMDD."""
    start_ms: int
    """Where the clock begins."""
    open_ms: int
    """Open."""
    close_ms: int
    """Close, a whole minute: of a partial play the tape's end."""
    end_ms: int | None
    """First millisecond whose trades do not exist; None plays every row."""

    def calendar_row(self) -> str:
        """Return the row of a calendar override file for this day (OB-123).

        Such a file cannot say hours after midnight: they end at 23:59 in it.
        """
        return (
            f'[[day]]\ndate = "{self.day[:4]}-{self.day[4:6]}-{self.day[6:]}"\nkind = "session"\n'
            f'open = "{_minutes(self.open_ms)}"\nclose = "{_minutes(self.close_ms)}"\nreason = "replayed day"\n'
        )


def parse_clock(text: str) -> int:
    """Return milliseconds since midnight of HH:MM:SS.

    Raises:
        MisuseError: the text is no time of day.
    """
    match = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d):([0-5]\d)", text, re.ASCII)
    if match is None:
        raise MisuseError(f"{text!r} is not a time of day: write HH:MM:SS")
    hours, minutes, seconds = map(int, match.groups())
    return (hours * 3600 + minutes * 60 + seconds) * 1000


def asked_ms(hour: str, now_ms: int) -> int:
    """Return the last millisecond of the second HHMMSS: after midnight of the latest such second that was."""
    second_ms = parse_clock(f"{hour[:2]}:{hour[2:4]}:{hour[4:]}")
    return second_ms + 999 + (DAY_MS if second_ms + DAY_MS <= now_ms else 0)


def session(day: str, *, from_ms: int | None = None, until_ms: int | None = None) -> Session:
    """Plan a day.

    Args:
        day: YYYYMMDD.
        from_ms: where the tape begins, else a moment before the open; trades before it happened unwatched.
        until_ms: the tape's end, else the whole day.
    """
    close_ms = CLOSE_MS if until_ms is None else min(CLOSE_MS, -(-until_ms // MINUTE_MS) * MINUTE_MS)
    start_ms = OPEN_MS - LEAD_MS if from_ms is None else from_ms
    return Session(day, start_ms, OPEN_MS, close_ms, until_ms)


def next_session_day(day: str) -> str:
    """Return the next weekday."""
    following = date(int(day[:4]), int(day[4:6]), int(day[6:])) + timedelta(days=1)
    while following.weekday() >= SATURDAY:
        following += timedelta(days=1)
    return following.strftime("%Y%m%d")


def midnight_ns(day: str) -> int:
    """Return the beginning of a day in Seoul, nanoseconds UTC."""
    start = datetime(int(day[:4]), int(day[4:6]), int(day[6:]), tzinfo=UTC)
    return int(start.timestamp()) * NANOSECONDS - KST_NS


def kst_datetime(wall_ns: int) -> datetime:
    """Return a moment as Seoul's wall shows it."""
    return datetime.fromtimestamp((wall_ns + KST_NS) // NANOSECONDS, UTC)


class TapeClock:
    """Tape time since midnight in Seoul; moves only when turned."""

    def __init__(self, start_ns: int, speed: float) -> None:
        self.now_ns = start_ns
        """Nanoseconds since midnight in Seoul."""
        self.speed = speed
        """Tape seconds per real second."""
        self._real_ns: int | None = None

    @property
    def now_ms(self) -> int:
        """Return whole milliseconds since midnight."""
        return self.now_ns // MILLISECOND

    def rest(self, real_ns: int) -> None:
        """Let real time pass without moving."""
        self._real_ns = real_ns

    def turn(self, real_ns: int, speed: float | None = None) -> None:
        """Move by the real time since the last turn or rest, at most ``TURN_NS`` of it, times the speed."""
        before = real_ns if self._real_ns is None else self._real_ns
        self.now_ns += int(min(max(real_ns - before, 0), TURN_NS) * (self.speed if speed is None else speed))
        self._real_ns = real_ns

    def jump(self, to_ms: int, real_ns: int) -> None:
        """Move forward to a time at once."""
        self.now_ns = max(self.now_ns, to_ms * MILLISECOND)
        self._real_ns = real_ns


def _minutes(ms: int) -> str:
    ms = min(ms, DAY_MS - MINUTE_MS)
    return f"{ms // 3_600_000:02}:{ms // MINUTE_MS % 60:02}"
