"""Which session is recorded next, and waiting until it prepares (OB-012, OB-121, OB-125)."""

from typing import NamedTuple

from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import MisuseError
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.calendar_desk import CalendarDesk
from veritape.observer.adapters.clock_watch import sleep_until_wall
from veritape.observer.adapters.recording_day import day_start_ns
from veritape.observer.adapters.universe_desk import FIRST_S
from veritape.observer.business_days import Calendar
from veritape.observer.recorder import kst
from veritape.observer.sessions import DAY_S, Hours


class Planned(NamedTuple):
    """A session whose preparation begins."""

    day: str
    """YYYYMMDD."""
    hours: Hours
    calendar: Calendar
    """In force now."""


class SessionPlan:
    """Finds session after session."""

    def __init__(self, desk: CalendarDesk, rest: BrokerRest, clock: Clock, *, ask_broker: bool) -> None:
        self._desk = desk
        self._rest = rest
        self._clock = clock
        self._ask_broker = ask_broker
        self.awaited: Planned | None = None
        """The session that is waited for, None while one is recorded."""

    async def next(self, only: str | None, done: str) -> Planned:
        """Wait until the next session prepares.

        The calendar is read anew at every midnight and when the wait is over: it may have been edited. The broker is
        asked then, and not before: no token is issued because a process started (OB-401).

        Args:
            only: the one day that is wanted.
            done: the last day that was recorded, empty for none.

        Raises:
            MisuseError: the exchange is closed on the one day that was asked for.
        """
        while True:
            calendar = self._desk.calendar()
            today = kst(self._clock.wall_ns())[0]
            day = only or _next_day(calendar, today, done)
            hours = calendar.hours(day)
            if only and hours is None:
                raise MisuseError(f"record: the exchange is closed on {day}")
            self.awaited = None if hours is None else Planned(day, hours, calendar)
            if hours is not None and await self._waited(today, day, hours):
                calendar = await self._asked(kst(self._clock.wall_ns())[0])
                hours = calendar.hours(day)
                if hours is not None:
                    self.awaited = None
                    return Planned(day, hours, calendar)

    def is_due(self, offset_s: int) -> bool:
        """Tell whether the session that is waited for should be recorded by now.

        Args:
            offset_s: from its open, seconds: from then on it should.
        """
        if self.awaited is None:
            return False
        day, hours, _ = self.awaited
        second = (self._clock.wall_ns() - day_start_ns(day)) // NANOSECONDS
        return hours.open_s + offset_s <= second < hours.close_s

    def hours(self, day: str) -> Hours | None:
        """Return the present opinion of a day."""
        return self._desk.calendar().hours(day)

    async def _asked(self, today: str) -> Calendar:
        """Return the calendar with the broker's answer of today in it."""
        if self._ask_broker:
            await self._desk.ask_broker(self._rest, today)
        self._desk.tell_differences(today)
        return self._desk.calendar()

    async def _waited(self, today: str, day: str, hours: Hours) -> bool:
        """Wait for the day's preparation, but not past midnight; return whether it begins."""
        start_ns = day_start_ns(day) + (hours.open_s + FIRST_S) * NANOSECONDS
        midnight_ns = day_start_ns(today) + DAY_S * NANOSECONDS
        until_ns = min(start_ns, midnight_ns)
        await sleep_until_wall(self._clock, until_ns)
        return self._clock.wall_ns() >= start_ns


def _next_day(calendar: Calendar, today: str, done: str) -> str:
    """Return today's session unless it is done, else the next one."""
    if today > done and calendar.hours(today):
        return today
    return calendar.next_session(max(today, done))
