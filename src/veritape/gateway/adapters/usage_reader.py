"""What commands and the admin API read of the ledger: figures by route, key or day, and the events of a month.

Everything comes from ``usage_event`` (GW-681). The rows are read with SQL that SQLite and PostgreSQL share.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from veritape.gateway.billing import SINGLE_KINDS, Figures
from veritape.gateway.usage import Kind, UsageEvent
from veritape.kernel.errors import UnavailableError

Rows = Callable[[str, Sequence[Any]], Iterable[tuple[Any, ...]]]
"""Runs a query with ``?`` for its values and returns its rows."""

GROUPS: Final = {
    "route": "route",
    "key": "key_id",
    "day": "at_us / 86400000000",
}
"""What figures can be told apart by, and its SQL."""

_EVENT_COLUMNS: Final = ", ".join(UsageEvent._fields)
_SINGLE: Final = ", ".join(f"'{kind.value}'" for kind in SINGLE_KINDS)


class UsageReader:
    """Reads a ledger that somebody else may be writing."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def figures(self, period: str, by: str, account: str | None = None) -> list[Figures]:
        """Return the figures of a month, one row an account, environment and route, key or day."""
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
        """Return the accounts that have single events in a month."""
        rows = self._rows(
            f"SELECT DISTINCT account FROM usage_event WHERE period = ? AND kind IN ({_SINGLE}) ORDER BY account",  # noqa: S608 - of constants
            (period,),
        )
        return [row[0] for row in rows]

    def events(self, period: str, account: str) -> Iterator[UsageEvent]:
        """Yield an account's single events of a month in the order of their ids."""
        for row in self._rows(
            f"SELECT {_EVENT_COLUMNS} FROM usage_event WHERE period = ? AND account = ? AND kind IN ({_SINGLE})"  # noqa: S608 - of constants
            " ORDER BY boot, seq",
            (period, account),
        ):
            event = UsageEvent(*row)
            yield event._replace(kind=Kind(event.kind), boot=bytes(event.boot))

    def differences(self, period: str) -> list[tuple[str, int, int]]:
        """Return the subjects whose events do not add up to their month: subject, mu of the events, mu of the month."""
        rows = self._rows(
            "SELECT subject, sum(of_events), sum(of_month) FROM ("
            "SELECT subject, units_mu AS of_events, 0 AS of_month FROM usage_event WHERE period = ? AND subject <> ''"
            " UNION ALL SELECT subject, 0, units_mu FROM usage_month WHERE period = ?) AS sums"
            " GROUP BY subject HAVING sum(of_events) <> sum(of_month) ORDER BY subject",
            (period, period),
        )
        return [(subject, int(events), int(month)) for subject, events, month in rows]


def _day(number: int) -> str:
    return f"{datetime.fromtimestamp(number * 86_400, UTC):%Y-%m-%d}"


@contextlib.contextmanager
def sqlite_usage(path: Path) -> Iterator[UsageReader]:
    """Open a SQLite ledger for reading; a gateway may be writing it.

    Raises:
        UnavailableError: it is not there, or cannot be read.
    """
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            database.execute("BEGIN")
            yield UsageReader(database.execute)
    except sqlite3.Error as error:
        raise UnavailableError(f"the usage ledger {path} cannot be read: {error}") from error
