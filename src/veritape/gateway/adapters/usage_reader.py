"""What commands and the admin API read of the ledger: figures by route, key or day, and the events of a month.

Everything comes from ``usage_event`` (GW-681). The rows are read with SQL that SQLite and PostgreSQL share.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from veritape.gateway.adapters.usage_tables import missing_steps, no_ledger
from veritape.gateway.billing import SINGLE_KINDS, AccountUsage, Figures, add_up
from veritape.gateway.usage import Kind, UsageEvent
from veritape.kernel.errors import CheckFailedError, UnavailableError

Rows = Callable[[str, Sequence[Any]], Iterable[tuple[Any, ...]]]
"""Runs a query with ``?`` for its values and returns its rows."""

GROUPS: Final = {
    "route": "route",
    "key": "key_id",
    "day": "at_us / 86400000000",
}
"""What figures can be told apart by, and its SQL."""

SINGLE_EVENTS: Final = ", ".join(f"'{kind.value}'" for kind in SINGLE_KINDS)
"""Kinds of single events, for SQL."""

COUNT_SINGLE: Final = f"SELECT count(*) FROM usage_event WHERE period = ? AND kind IN ({SINGLE_EVENTS})"  # noqa: S608 - of constants
"""How many single events a month has."""

_EVENT_COLUMNS: Final = ", ".join(UsageEvent._fields)


_PAGE: Final = (
    f"SELECT {_EVENT_COLUMNS} FROM usage_event WHERE period = ? AND kind IN ({SINGLE_EVENTS})"  # noqa: S608 - of constants
    " AND (boot, seq) > (?, ?) ORDER BY boot, seq LIMIT ?"
)

PAGE: Final = 2_000
"""Events of a month that are read at a time, a few milliseconds' work."""


class UsageReader:
    """Reads a ledger that somebody else may be writing."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def figures(self, period: str, by: str, account: str | None = None) -> list[Figures]:
        """Return the figures of a month, one row an account, environment and route, key or day.

        Raises:
            CheckFailedError: its events were deleted because of their age.
        """
        if self.is_retired(period):
            raise CheckFailedError(
                f"{period}: its events were deleted after usage.retention_days: 'veritape usage export' has what stays"
            )
        one, values = ("", (period,)) if account is None else (" AND account = ?", (period, account))
        rows = self._rows(
            f"SELECT account, env, {GROUPS[by]} AS place,"  # noqa: S608 - of constants
            f" sum(CASE kind WHEN '{Kind.CHARGE}' THEN 1 WHEN '{Kind.ANONYMOUS}' THEN items ELSE 0 END),"
            f" sum(CASE WHEN kind IN ('{Kind.CHARGE}', '{Kind.REFUND}') THEN units_mu ELSE 0 END),"
            f" sum(CASE kind WHEN '{Kind.REFUND}' THEN -units_mu ELSE 0 END),"
            f" sum(CASE kind WHEN '{Kind.CREDIT}' THEN -units_mu ELSE 0 END),"
            f" sum(CASE kind WHEN '{Kind.DENIED}' THEN items ELSE 0 END)"
            f" FROM usage_event WHERE period = ?{one} GROUP BY account, env, place ORDER BY account, env, place",
            values,
        )
        return [
            Figures(row[0], row[1], _day(row[2]) if by == "day" else row[2], *map(int, row[3:]))
            for row in rows
        ]

    def accounts(self, period: str) -> list[str]:
        """Return the accounts that have single events in a month, or had before it was retired."""
        rows = self._rows(
            f"SELECT DISTINCT account FROM usage_event WHERE period = ? AND kind IN ({SINGLE_EVENTS})"  # noqa: S608 - of constants
            " UNION SELECT account FROM usage_kept WHERE period = ? ORDER BY account",
            (period, period),
        )
        return [row[0] for row in rows]

    def events(self, period: str, account: str) -> Iterator[UsageEvent]:
        """Yield an account's single events of a month in the order of their ids."""
        for row in self._rows(
            f"SELECT {_EVENT_COLUMNS} FROM usage_event WHERE period = ? AND account = ? AND kind IN ({SINGLE_EVENTS})"  # noqa: S608 - of constants
            " ORDER BY boot, seq",
            (period, account),
        ):
            yield _event(row)

    def month_events(self, period: str) -> Iterator[UsageEvent]:
        """Yield all single events of a month in the order of their ids; a page at a time is in memory."""
        last = (b"", 0)
        while True:
            page = [_event(row) for row in self._rows(_PAGE, (period, *last, PAGE))]
            yield from page
            if len(page) < PAGE:
                return
            last = page[-1].boot, page[-1].seq

    def differences(self, period: str) -> list[tuple[str, int, int]]:
        """Return the subjects whose events do not add up to their month: subject, mu of the events, mu of the month."""
        rows = self._rows(
            "SELECT subject, sum(of_events), sum(of_month) FROM ("
            "SELECT subject, units_mu AS of_events, 0 AS of_month FROM usage_event WHERE period = ? AND subject <> ''"
            " UNION ALL SELECT subject, units_mu, 0 FROM usage_retired WHERE period = ? AND subject <> ''"
            " UNION ALL SELECT subject, 0, units_mu FROM usage_month WHERE period = ?) AS sums"
            " GROUP BY subject HAVING sum(of_events) <> sum(of_month) ORDER BY subject",
            (period, period, period),
        )
        return [(subject, int(events), int(month)) for subject, events, month in rows]

    def old_months(self, before_us: int) -> list[str]:
        """Return the months that have events from before a moment and none since, and are not retired."""
        rows = self._rows(
            "SELECT DISTINCT period FROM usage_event WHERE at_us < ?"
            " AND period NOT IN (SELECT period FROM usage_retired) ORDER BY period",
            (before_us,),
        )
        newer = "SELECT 1 FROM usage_event WHERE period = ? AND at_us >= ? LIMIT 1"
        return [period for (period,) in rows if not list(self._rows(newer, (period, before_us)))]

    def is_retired(self, period: str) -> bool:
        """Tell whether the events of a month were deleted because of their age."""
        return bool(list(self._rows("SELECT 1 FROM usage_retired WHERE period = ? LIMIT 1", (period,))))

    def month_usage(self, period: str) -> dict[str, AccountUsage]:
        """Return what the single events of a month add up to, or did before it was retired: account -> usage.

        Raises:
            CheckFailedError: events came after the others had been deleted.
        """
        columns = ", ".join(AccountUsage._fields)
        rows = self._rows(f"SELECT {columns} FROM usage_kept WHERE period = ?", (period,))  # noqa: S608 - of constants
        kept, used = {row[0]: AccountUsage(*row) for row in rows}, add_up(self.month_events(period))
        for account in used.keys() & kept.keys():
            raise CheckFailedError(
                f"{period}: {used[account].events} events of account {account!r} came after the month's were deleted:"
                " '--format cloudevents' shows them"
            )
        return dict(sorted((used | kept).items()))


def _event(row: tuple[Any, ...]) -> UsageEvent:
    event = UsageEvent(*row)
    return event._replace(kind=Kind(event.kind), boot=bytes(event.boot))


def _day(number: int) -> str:
    return f"{datetime.fromtimestamp(number * 86_400, UTC):%Y-%m-%d}"


@contextlib.contextmanager
def sqlite_usage(path: Path) -> Iterator[UsageReader]:
    """Open a SQLite ledger for reading; a gateway may be writing it.

    Raises:
        UnavailableError: it is not there, of another version, or cannot be read.
    """
    if not path.exists():
        raise no_ledger(path)
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            database.execute("BEGIN")
            if missing_steps(database, path):
                raise UnavailableError(
                    f"ledger_version: {path} is of an older program: start the gateway once, it brings it forward"
                )
            yield UsageReader(database.execute)
    except sqlite3.Error as error:
        raise UnavailableError(f"the usage ledger {path} cannot be read: {error}") from error
