"""Hours and phases of a day: when to prepare, connect, sweep, anchor and seal (OB-123, OB-124).

All times follow the day's open and close, so a shifted or shortened day moves everything with it. Which hours a date has
is the calendar's business (``business_days``).
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

from veritape.kernel.errors import MisuseError

MINUTE_S: Final = 60
"""Seconds in a minute."""

DAY_S: Final = 24 * 3600
"""Seconds in a day."""

USUAL_OPEN_S, USUAL_CLOSE_S = 9 * 3600, 15 * 3600 + 30 * 60
"""An ordinary day of KRX, seconds since midnight in Seoul."""


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

    def __str__(self) -> str:
        """Return ``HH:MM-HH:MM``."""
        clocks = (f"{second // 3600:02}:{second // 60 % 60:02}" for second in (self.open_s, self.close_s))
        return "-".join(clocks)

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


def next_boundary(hours: Hours, second: int) -> int:
    """Return when the phase of a second of the day ends: the next one's begin, or midnight."""
    return min((start for start, _ in hours.phases() if start > second), default=DAY_S)


def phase_at(hours: Hours | None, second: int) -> Phase:
    """Return the phase of a second of the day; None for the hours means that there is no session."""
    if hours is None:
        return Phase.CLOSED
    return max(
        (start, index, phase) for index, (start, phase) in enumerate(hours.phases()) if start <= second
    )[2]


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


def clock_seconds(text: str) -> int:
    """Return the second of the day of HH:MM.

    Raises:
        ValueError: it is no time of day.
    """
    parts = text.split(":")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):  # noqa: PLR2004 - hours, minutes
        raise ValueError(f"{text!r} is not HH:MM")
    hours, minutes = map(int, parts)
    if hours > 23 or minutes > 59:  # noqa: PLR2004 - a time of day
        raise ValueError(f"{text!r} is not a time of day")
    return hours * 3600 + minutes * 60


def _seconds(text: object, place: str) -> int:
    try:
        return clock_seconds(str(text))
    except ValueError as error:
        raise MisuseError(f"{place} {error}") from None
