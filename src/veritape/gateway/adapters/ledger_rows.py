"""Events on their way into SQLite's table, with as few values handed over as can be (GW-664).

To hand SQLite a value costs more than half of what it takes to insert an event, which has nineteen of them. Sixteen are the same
for every charge of one key for one route, and most events of a busy gateway are such. So events that share those go into one
statement that has them once, and three values for each event. Statements of many rows have a second use: the interpreter lock
changes hands once for all of them.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from veritape.gateway.usage import OWN, UsageEvent, own_of, shared_of

SHARING: Final = 250, 25
"""Events of one statement that has what they share once: as many as possible go into the first kind."""

ROWS_AT_ONCE: Final = 50
"""Events of one statement when nobody shares anything: 999 values work in every SQLite."""

_COLUMNS: Final = len(UsageEvent._fields)
_ROW: Final = f"({', '.join('?' * _COLUMNS)})"
_INSERT: Final = f"INSERT INTO usage_event VALUES {_ROW} ON CONFLICT DO NOTHING"  # noqa: S608 - constants
_INSERT_MANY: Final = (
    f"INSERT INTO usage_event VALUES {', '.join([_ROW] * ROWS_AT_ONCE)} ON CONFLICT DO NOTHING"  # noqa: S608 - constants
)


def insert_all(connection: sqlite3.Connection, together: Sequence[Sequence[UsageEvent]]) -> bool:
    """Insert events that should be new, many at once; tell whether they all were: if not, nobody knows which.

    Args:
        connection: within a transaction.
        together: events as ``alike`` returns them.
    """
    before, rest = connection.total_changes, list[UsageEvent]()
    for events in together:
        rest += _insert_sharing(connection, events)
    for piece in _pieces(rest, ROWS_AT_ONCE):
        connection.execute(_INSERT_MANY, tuple(chain.from_iterable(piece)))
    connection.executemany(_INSERT, rest[len(rest) // ROWS_AT_ONCE * ROWS_AT_ONCE :])
    return connection.total_changes - before == sum(map(len, together))


def insert_new(connection: sqlite3.Connection, events: Sequence[UsageEvent]) -> list[UsageEvent]:
    """Insert events one by one; return those that were not there already."""
    return [event for event in events if connection.execute(_INSERT, event).rowcount]


def _insert_sharing(connection: sqlite3.Connection, events: Sequence[UsageEvent]) -> Sequence[UsageEvent]:
    """Insert events that share their columns; return those that are too few for a statement."""
    for rows, statement in _SHARED.items():
        for piece in _pieces(events, rows):
            own = chain.from_iterable(map(own_of, piece))
            connection.execute(statement, (*shared_of(piece[0]), *own))
        events = events[len(events) // rows * rows :]
    return events


def _pieces(events: Sequence[UsageEvent], rows: int) -> Iterator[Sequence[UsageEvent]]:
    """Yield as many pieces of so many rows as there are."""
    for first in range(0, len(events) // rows * rows, rows):
        yield events[first : first + rows]


def _sharing(rows: int) -> str:
    """Return a statement that takes the shared values, then those of each row."""
    own, shared = (
        iter(f"column{number}" for number in range(1, 4)),
        iter(f"?{number}" for number in range(1, _COLUMNS)),
    )
    columns = ", ".join(next(own if column in OWN else shared) for column in range(_COLUMNS))
    values = ", ".join(["(?, ?, ?)"] * rows)
    return (
        f"INSERT INTO usage_event SELECT {columns} FROM (VALUES {values}) WHERE true ON CONFLICT DO NOTHING"  # noqa: S608 - constants
    )


_SHARED: Final = {rows: _sharing(rows) for rows in SHARING}
"""Rows -> statement. ``WHERE true`` tells SQLite's parser that ``ON CONFLICT`` is not part of a join."""
