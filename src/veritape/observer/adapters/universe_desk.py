"""The day's universe: fetched early, tried again until shortly before the open, written once (OB-104 to 111)."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from veritape.kernel.canonical import canonical_json
from veritape.kernel.errors import PeerError, UnavailableError
from veritape.kernel.files import write_atomically
from veritape.observer import membership
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.timetable import Timetable
from veritape.observer.business_days import Calendar
from veritape.observer.log_events import LogEvent
from veritape.observer.membership import KEPT_SESSIONS, Filter
from veritape.observer.sessions import MINUTE_S, Hours
from veritape.observer.universe import read_archive, require_fresh
from veritape.wire.kis.master import KOSDAQ, KOSPI
from veritape.wire.kis.rest import MASTER_PATHS

FIRST_S = -240 * MINUTE_S
"""Seconds from the open of the first attempt: 05:00 on a usual day."""

AGAIN_S = (-120 * MINUTE_S, -10 * MINUTE_S, 10 * MINUTE_S)
"""First and last of the later attempts, from the open, and the seconds between them: 07:00 to 08:50."""

KEPT_FILES = 400
"""Days whose membership is kept: a back-test needs each (OB-111)."""

MODE = 0o444
"""Permission bits of a day's universe."""


class UniverseDesk:
    """Fetches and keeps universes in ``universe/``."""

    def __init__(self, rest: BrokerRest, data: Path, rule: Filter) -> None:
        self._rest = rest
        self._folder = data / "universe"
        self._rule = rule
        self.built: tuple[int | None, int] | None = None
        """Size in force before the newest list, None without one, and its own; None before a list was built."""

    async def of(self, day: str, calendar: Calendar, timetable: Timetable) -> dict[str, Any] | None:
        """Return the day's universe; None when there is none that may be used (OB-109).

        A day that has its file keeps it. Else the master files are asked at five, and every ten minutes from seven on
        until ten to nine; times move with the open, and those that have passed make one attempt.
        """
        path = self._path(day)
        if path.exists():
            return dict(json.loads(path.read_bytes()))
        first, last, step = AGAIN_S
        for offset in (FIRST_S, *range(first, last + 1, step)):
            if offset < last and timetable.second() >= timetable.hours.open_s + offset + step:
                continue
            await timetable.until(partial(_at, offset))
            try:
                return self._put(await self._fetched(day, calendar))
            except (PeerError, UnavailableError) as error:
                structlog.get_logger().warning(
                    LogEvent.UNIVERSE_REFUSED,
                    day=day,
                    reason=error.reason or "no_answer",
                    problem=error.message,
                )
        return self._kept(day, calendar)

    def previous(self, day: str) -> dict[str, Any] | None:
        """Return the newest universe before a day."""
        paths = sorted(path for path in self._folder.glob("*_kr_stocks.json") if path.name[:8] < day)
        return dict(json.loads(paths[-1].read_bytes())) if paths else None

    async def _fetched(self, day: str, calendar: Calendar) -> dict[str, Any]:
        """Return a fresh universe.

        Raises:
            PeerError: the files are malformed or stale, or the list has collapsed; then it is kept in ``refused/``.
            UnavailableError: the files cannot be had.
        """
        archives = [await self._rest.master(name) for name in MASTER_PATHS]
        files = [read_archive(data, layout) for data, layout in zip(archives, (KOSPI, KOSDAQ), strict=True)]
        for file in files:
            require_fresh(file, calendar.last_close(day))
        previous = self.previous(day)
        document = membership.document(day, files, self._rule, previous)
        self.built = previous["count"] if previous else None, document["count"]
        try:
            membership.require_whole(document, self._rule, previous)
        except PeerError:
            name = f"{day}-{document['blake3'][:8]}.json"
            write_atomically(self._folder / "refused" / name, canonical_json(document))
            raise
        return document

    def _kept(self, day: str, calendar: Calendar) -> dict[str, Any] | None:
        previous = self.previous(day)
        if previous is None:
            return None
        reached = membership.origin(previous)
        for _ in range(KEPT_SESSIONS):
            reached = calendar.next_session(reached)
            if reached >= day:
                return self._put(membership.kept(day, previous))
        return None

    def _put(self, document: dict[str, Any]) -> dict[str, Any]:
        write_atomically(self._path(document["day"]), canonical_json(document), MODE)
        for old in sorted(self._folder.glob("*_kr_stocks.json"))[:-KEPT_FILES]:
            old.unlink()
        structlog.get_logger().info(
            LogEvent.UNIVERSE_IN_FORCE,
            day=document["day"],
            count=document["count"],
            created=len(document["created"]),
            deleted=len(document["deleted"]),
            provenance=document["provenance"],
        )
        return document

    def _path(self, day: str) -> Path:
        return self._folder / f"{day}_kr_stocks.json"


def _at(offset_s: int, hours: Hours) -> int:
    return hours.open_s + offset_s
