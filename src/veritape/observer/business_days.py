"""Which dates have a session, and when: three authorities in order (OB-121, OB-122).

The override file is right where it speaks: a person wrote it. The broker's holiday call knows open or closed and no
hours, and only of the next weeks. The table of the calendar library knows hours, but not every election day or exam day.
A date beyond all of them is an ordinary weekday. Where authorities disagree the first one holds and the others are shown.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from veritape.kernel.errors import PeerError
from veritape.observer.sessions import USUAL, Hours, clock_seconds

SATURDAY: Final = 5
"""``date.weekday()`` of the first day without a session."""

TABLE_FORMAT: Final = "veritape.exchange-sessions.v1"
"""Name of the library's table."""


class Authority(StrEnum):
    """Who says what a date is."""

    OVERRIDE = "override"
    """A row of the override file, a person's or the shipped one."""
    BROKER = "broker"
    """The broker's holiday call: open or closed, no hours."""
    EXCHANGE = "exchange"
    """The calendar library's table."""
    WEEKDAYS = "weekdays"
    """Nobody: Monday to Friday at the usual hours."""


class Era(NamedTuple):
    """Usual hours from a date on."""

    first: str
    """YYYYMMDD."""
    hours: Hours


@dataclass(frozen=True)
class ExchangeTable:
    """The sessions of an exchange as a calendar library knows them."""

    first: str
    """First date that it covers, YYYYMMDD."""
    last: str
    """Last one."""
    eras: tuple[Era, ...]
    """Usual hours, oldest first."""
    closed: frozenset[str]
    """Weekdays without a session."""
    special: Mapping[str, Hours]
    """Dates with other hours."""

    def covers(self, day: str) -> bool:
        """Tell whether the table speaks about a date."""
        return self.first <= day <= self.last

    def hours(self, day: str) -> Hours | None:
        """Return a covered date's session, None without one."""
        if day in self.closed or _date(day).weekday() >= SATURDAY:
            return None
        usual = next(era.hours for era in reversed(self.eras) if era.first <= day)
        return self.special.get(day, usual)


class Calendar:
    """Sessions by date."""

    def __init__(
        self,
        overrides: Mapping[str, Hours | None],
        broker: Mapping[str, bool] | None = None,
        exchange: ExchangeTable | None = None,
    ) -> None:
        """Keep what the authorities say.

        Args:
            overrides: date -> hours, None for closed.
            broker: date -> whether the exchange is open.
            exchange: the library's table.
        """
        self._overrides = dict(overrides)
        self._broker = dict(broker or {})
        self._exchange = exchange

    def hours(self, day: str) -> Hours | None:
        """Return a day's session, None when the exchange is closed."""
        if day in self._overrides:
            return self._overrides[day]
        known = self._known(day)
        if day not in self._broker:
            return known
        return (known or USUAL) if self._broker[day] else None

    def authority(self, day: str) -> Authority:
        """Return who decides about a day."""
        if day in self._overrides:
            return Authority.OVERRIDE
        if day in self._broker:
            return Authority.BROKER
        covered = self._exchange is not None and self._exchange.covers(day)
        return Authority.EXCHANGE if covered else Authority.WEEKDAYS

    def differences(self, day: str) -> dict[Authority, str]:
        """Return what each authority says of a day on which they disagree, else nothing; hours count where both know them."""
        sessions: dict[Authority, Hours | None] = {}
        if day in self._overrides:
            sessions[Authority.OVERRIDE] = self._overrides[day]
        if self._exchange is not None and self._exchange.covers(day):
            sessions[Authority.EXCHANGE] = self._exchange.hours(day)
        opened = {hours is not None for hours in sessions.values()}
        if day in self._broker:
            opened.add(self._broker[day])
        if len(opened) < 2 and len(set(sessions.values())) < 2:  # noqa: PLR2004 - they agree
            return {}
        said = {authority: "closed" if hours is None else str(hours) for authority, hours in sessions.items()}
        if day in self._broker:
            said[Authority.BROKER] = "open" if self._broker[day] else "closed"
        return said

    def next_session(self, day: str) -> str:
        """Return the first day after this one that has a session."""
        return self._walk(day, 1)

    def last_close(self, day: str) -> str:
        """Return when the session before this day closed, ``YYYY-MM-DD HH:MM:SS``."""
        before = self._walk(day, -1)
        hours = self.hours(before) or USUAL
        clock = f"{hours.close_s // 3600:02}:{hours.close_s // 60 % 60:02}:00"
        return f"{before[:4]}-{before[4:6]}-{before[6:]} {clock}"

    def _known(self, day: str) -> Hours | None:
        if self._exchange is not None and self._exchange.covers(day):
            return self._exchange.hours(day)
        return USUAL if _date(day).weekday() < SATURDAY else None

    def _walk(self, day: str, step: int) -> str:
        reached = _date(day)
        while True:
            reached += timedelta(days=step)
            text = reached.strftime("%Y%m%d")
            if self.hours(text) is not None:
                return text


def read_exchange_table(data: bytes) -> ExchangeTable:
    """Read the library's table.

    Raises:
        PeerError: it is none.
    """
    try:
        document = json.loads(data)
        if document["format"] != TABLE_FORMAT:
            raise PeerError(f"exchange table: format {document['format']!r}")
        return ExchangeTable(
            document["first"],
            document["last"],
            tuple(Era(first, _hours(texts)) for first, *texts in document["usual"]),
            frozenset(document["closed"]),
            {day: _hours(texts) for day, texts in document["special"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PeerError(f"exchange table: {error}") from error


def broker_days(document: Mapping[str, Any]) -> dict[str, bool] | None:
    """Return date -> whether the exchange is open, from an answer of chk-holiday; None when a row is malformed (KIS-068)."""
    rows = document.get("output")
    days: dict[str, bool] = {}
    for row in rows if isinstance(rows, list) else [rows]:
        day, opened = (row.get("bass_dt"), row.get("opnd_yn")) if isinstance(row, dict) else (None, None)
        if not isinstance(day, str) or opened not in {"Y", "N"} or not _is_date(day):
            return None
        days[day] = opened == "Y"
    return days


def _hours(texts: list[str]) -> Hours:
    open_s, close_s = (clock_seconds(text) for text in texts)
    return Hours(open_s, close_s)


def _is_date(text: str) -> bool:
    try:
        return len(text) == len("YYYYMMDD") and text.isascii() and bool(_date(text))
    except ValueError:
        return False


def _date(day: str) -> date:
    return date(int(day[:4]), int(day[4:6]), int(day[6:]))
