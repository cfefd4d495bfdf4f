"""Events as rows: every value where it belongs, however many share what; what was there already is told."""

import sqlite3
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.usage import charges

from veritape.gateway.adapters.ledger_rows import ROWS_AT_ONCE, SHARING, insert_all, insert_new
from veritape.gateway.adapters.usage_tables import TABLES
from veritape.gateway.usage import EventSource, UsageEvent, alike

EDGES = [0, 1, *(count + more for count in (*SHARING, ROWS_AT_ONCE) for more in (-1, 0, 1)), sum(SHARING) + 7]


@pytest.fixture
def table() -> Iterator[sqlite3.Connection]:
    with_tables = _tables()
    yield with_tables
    with_tables.close()


def _tables() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for _, statements in TABLES.missing(0, "memory"):
        for statement in statements:
            connection.execute(statement)
    return connection


def kept(connection: sqlite3.Connection) -> list[UsageEvent]:
    return [UsageEvent(*row) for row in connection.execute("SELECT * FROM usage_event ORDER BY boot, seq")]


@pytest.mark.parametrize("count", EDGES)
def test_whole_statements_and_what_is_left_of_them(table: sqlite3.Connection, count: int) -> None:
    """GW-664: each event is inserted once with its own values; inserted again, none is new."""
    events = charges(count)
    assert insert_all(table, alike(events))
    assert kept(table) == events
    assert insert_all(table, alike(events)) is (count == 0)
    assert kept(table) == events


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["", "r"]), st.integers(0, 1)), max_size=160)
)
def test_any_mixture_is_inserted_value_by_value(kinds: Sequence[tuple[str, str, int]]) -> None:
    """GW-664: events that differ in any column keep it, whichever statement takes them."""
    source, table = EventSource(b"12345678"), _tables()
    events = [
        charge._replace(account=account, reason=reason, kind="refund" if refund else "charge",
                        refers_boot=source.boot if refund else None, refers_seq=charge.seq if refund else None)
        for charge, (account, reason, refund) in zip(charges(len(kinds)), kinds, strict=True)
    ]  # fmt: skip
    assert insert_all(table, alike(events))
    assert kept(table) == events
    table.close()


def test_one_known_event_among_many_is_told_and_found(table: sqlite3.Connection) -> None:
    """GW-664: a planted duplicate, and a second refund of one charge, are not counted as new."""
    events = charges(SHARING[0] + SHARING[1])
    refund = events[3]._replace(kind="refund", refers_boot=events[0].boot, refers_seq=events[0].seq)
    assert insert_new(table, [events[0], refund]) == [events[0], refund]
    again = refund._replace(seq=9_999)
    assert not insert_all(table, alike([again]))
    table.execute("SAVEPOINT tried")
    assert not insert_all(table, alike(events))
    table.execute("ROLLBACK TO tried")
    assert insert_new(table, [*events, again]) == [events[seq] for seq in range(1, len(events)) if seq != 3]
