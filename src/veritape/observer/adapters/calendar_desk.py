"""The calendar as a running recorder reads it: override file, the broker's stored answer, the library's table (OB-121 to 125).

The broker asks for one holiday call a day. So the date of a call is stored before the call is made, and a recorder that
is restarted a hundred times on one date calls once (KIS-069).
"""

import json
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import structlog

from veritape.kernel.canonical import canonical_json
from veritape.kernel.errors import MisuseError
from veritape.kernel.files import write_atomically
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.business_days import Authority, Calendar, broker_days, read_exchange_table
from veritape.observer.lanes import Lane
from veritape.observer.log_events import LogEvent
from veritape.observer.sessions import Hours, read_overrides
from veritape.wire.kis.rest import TRADING_DAYS

SHIPPED: Final = files("veritape.observer") / "calendars"
"""Rows and table that come with veritape."""

ANSWER_FORMAT: Final = "veritape.broker-calendar.v1"
"""Name of the stored answer."""

LOOK_AHEAD_DAYS: Final = 30
"""Days for which disagreements are shown: what the broker's answer covers."""


class CalendarDesk:
    """Reads the calendar anew whenever asked."""

    def __init__(self, override_file: Path | None, answer_file: Path) -> None:
        """Read everything once.

        Args:
            override_file: rows of a person, over the shipped ones.
            answer_file: where the broker's answer is kept; one a environment.

        Raises:
            MisuseError: the override file cannot be read, or a row is wrong.
        """
        self._override_file = override_file
        self._answer_file = answer_file
        self._exchange = read_exchange_table((SHIPPED / "xkrx.json").read_bytes())
        self._overrides = self._read_overrides()
        self._told: set[str] = set()

    def calendar(self) -> Calendar:
        """Return the calendar in force now; an override file that became bad is told once, its old rows hold."""
        try:
            self._overrides = self._read_overrides()
        except MisuseError as error:
            self._tell(LogEvent.CALENDAR_REFUSED, problem=error.message)
        return Calendar(self._overrides, self._answer()["days"], self._exchange)

    async def ask_broker(self, rest: BrokerRest, today: str) -> None:
        """Ask the broker which days are open, unless it was asked on this date before, answered or not."""
        stored = self._answer()
        if stored["asked_day"] == today or not rest.serves(TRADING_DAYS):
            return
        await rest.token()
        self._store({**stored, "asked_day": today})
        query = {"BASS_DT": today, "CTX_AREA_NK": "", "CTX_AREA_FK": ""}
        answer = await rest.quotation(TRADING_DAYS, query, Lane.BASELINE, times=1)
        days = broker_days(answer.document) if answer.reason is None else None
        if days is None:
            self._tell(LogEvent.BROKER_CALENDAR_MISSING, day=today, answer=answer.code or str(answer.reason))
            return
        self._store({"format": ANSWER_FORMAT, "asked_day": today, "days": {**stored["days"], **days}})

    def tell_differences(self, today: str) -> None:
        """Tell, once each, the days from today on about which the authorities disagree, and a today that none knows (OB-121)."""
        calendar = self.calendar()
        if calendar.authority(today) is Authority.WEEKDAYS:
            self._tell(LogEvent.CALENDAR_UNKNOWN, day=today)
        start = date(int(today[:4]), int(today[4:6]), int(today[6:]))
        for offset in range(LOOK_AHEAD_DAYS):
            day = (start + timedelta(days=offset)).strftime("%Y%m%d")
            said = calendar.differences(day)
            if said:
                decides = calendar.authority(day).value
                words = {authority.value: text for authority, text in said.items()}
                self._tell(LogEvent.CALENDAR_DIFFERS, day=day, decides=decides, **words)

    def _tell(self, event: LogEvent, **fields: Any) -> None:
        key = json.dumps([event, fields])
        if key not in self._told:
            self._told.add(key)
            structlog.get_logger().warning(event, **fields)

    def _read_overrides(self) -> dict[str, Hours | None]:
        shipped = SHIPPED / "calendar.toml"
        rows = read_overrides(shipped.read_bytes(), shipped.name)
        if self._override_file is None:
            return rows
        try:
            return rows | read_overrides(self._override_file.read_bytes(), str(self._override_file))
        except OSError as error:
            raise MisuseError(f"calendar.override_file {self._override_file}: {error.strerror}") from error

    def _answer(self) -> dict[str, Any]:
        """Return the stored answer; a missing or damaged file knows nothing."""
        nothing: dict[str, Any] = {"format": ANSWER_FORMAT, "asked_day": "", "days": {}}
        try:
            document = json.loads(self._answer_file.read_bytes())
            known = document["format"] == ANSWER_FORMAT and isinstance(document["asked_day"], str)
            good = known and all(isinstance(opened, bool) for opened in document["days"].values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return nothing
        return dict(document) if good else nothing

    def _store(self, document: dict[str, Any]) -> None:
        write_atomically(self._answer_file, canonical_json(document))
