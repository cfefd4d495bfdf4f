"""The ledger in SQLite: append-only, durable, locked, migrated forward. ``test_ledgers`` has what every ledger does."""

import sqlite3
from pathlib import Path

import pytest
from tests.usage import BOOT, charges

from veritape.gateway.adapters import usage_tables
from veritape.gateway.adapters.ledger import Ledger, SqliteReader, write_events
from veritape.gateway.adapters.ledger_rows import ROWS_AT_ONCE, SHARING
from veritape.gateway.adapters.usage_tables import TABLES
from veritape.kernel.errors import UnavailableError


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def change(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_what_was_written_is_there(tmp_path: Path) -> None:
    """GW-652, GW-685: durable on return, with month and mark; private; WAL."""
    path = tmp_path / "usage.db"
    ledger = Ledger(path)
    ledger.write(charges(300))
    assert rows(path, "SELECT count(*), sum(units_mu) FROM usage_event") == [(300, 600_000)]
    assert rows(path, "SELECT * FROM usage_month") == [("acme:live", "2026-11", BOOT, 600_000, 300)]
    assert rows(path, "SELECT * FROM outbox_mark") == [(BOOT, 300, 0)]
    assert rows(path, "PRAGMA journal_mode") == [("wal",)]
    assert ledger._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert path.stat().st_mode & 0o777 == 0o600
    ledger.close()


@pytest.mark.parametrize("count", [1, ROWS_AT_ONCE, ROWS_AT_ONCE + 1, 2 * SHARING[0] + 7])
def test_any_number_of_events_is_written_once(tmp_path: Path, count: int) -> None:
    """GW-664: whole statements and the rest of one; a half that was there already adds nothing, the new half does."""
    ledger = Ledger(tmp_path / "usage.db")
    assert ledger.write(charges(count // 2)) == count // 2
    assert ledger.write(charges(count)) == count - count // 2
    assert ledger.rows("SELECT seq FROM usage_event ORDER BY seq", ()) == [
        (seq,) for seq in range(1, count + 1)
    ]
    ledger.close()


def test_the_ledger_refuses_change_and_removal(tmp_path: Path) -> None:
    """GW-652: triggers refuse UPDATE and DELETE."""
    path = tmp_path / "usage.db"
    ledger = Ledger(path)
    ledger.write(charges(1))
    ledger.close()
    for statement in ("UPDATE usage_event SET units_mu = 0", "DELETE FROM usage_event"):
        connection = sqlite3.connect(path)
        with pytest.raises(sqlite3.Error, match="append-only"):
            connection.execute(statement)
        connection.close()


def test_a_row_removed_behind_the_trigger_shows(tmp_path: Path) -> None:
    """GW-673: months and events of a sound ledger agree; a planted removal is found."""
    path = tmp_path / "usage.db"
    ledger = Ledger(path)
    ledger.write(charges(3))
    assert ledger.broken_sums("2026-11") == {}
    change(path, "DROP TRIGGER usage_event_not_deleted", "DELETE FROM usage_event WHERE seq = 2")
    assert ledger.broken_sums("2026-11") == {"acme:live": (6_000, 4_000)}
    assert ledger.broken_sums("2026-12") == {}
    ledger.close()


def test_a_ledger_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """GW-664: nothing of the group is kept, and the next one is tried anew."""
    path = tmp_path / "usage.db"
    ledger = Ledger(path)
    change(path, "ALTER TABLE usage_month RENAME TO elsewhere")
    with pytest.raises(UnavailableError, match="cannot be written"):
        ledger.write(charges(1))
    with pytest.raises(UnavailableError, match="cannot be read"):
        ledger.shares("2026-11")
    assert rows(path, "SELECT count(*) FROM usage_event") == [(0,)]
    change(path, "ALTER TABLE elsewhere RENAME TO usage_month")
    assert ledger.write(charges(1)) == 1
    ledger.close()


def test_a_reader_without_a_ledger_says_so(tmp_path: Path) -> None:
    """GW-673: where it was looked for and what to do, not what SQLite says of a file that is not there."""
    path = tmp_path / "none.db"
    with pytest.raises(UnavailableError) as found:
        SqliteReader(path).month_sums("2026-11")
    assert found.value.message == (
        f"no usage ledger {path}: name the gateway's settings with --config; veritape serve makes it"
    )
    assert not path.exists()


def test_one_gateway_a_ledger(tmp_path: Path) -> None:
    """GW-941: ``ledger_locked`` for the second; reading goes on."""
    ledger = Ledger(tmp_path / "usage.db")
    with pytest.raises(UnavailableError, match="ledger_locked"):
        Ledger(tmp_path / "usage.db")
    assert SqliteReader(tmp_path / "usage.db").month_sums("2026-11") == {}
    ledger.close()
    Ledger(tmp_path / "usage.db").close()


def test_a_newer_or_broken_ledger_is_refused(tmp_path: Path) -> None:
    """GW-941: ``ledger_version``; nothing is written; a file that is no database is one line."""
    path = tmp_path / "usage.db"
    Ledger(path).close()
    change(path, "PRAGMA user_version = 9")
    before = path.read_bytes()
    with pytest.raises(
        UnavailableError, match=rf"ledger_version: {path} is of version 9, written by a newer veritape"
    ):
        Ledger(path)
    assert path.read_bytes() == before
    path.write_bytes(b"no database" * 1_000)
    with pytest.raises(UnavailableError, match="cannot open"):
        Ledger(path)


def test_migrations_go_forward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-685: an older ledger gets the missing steps and keeps its rows."""
    path = tmp_path / "usage.db"
    ledger = Ledger(path)
    ledger.write(charges(1))
    ledger.close()
    grown = TABLES._replace(steps=(*TABLES.steps, ("CREATE TABLE added(one INTEGER)",)))
    monkeypatch.setattr(usage_tables, "TABLES", grown)
    for _ in range(2):
        Ledger(path).close()
        assert rows(path, "PRAGMA user_version") == [(TABLES.version + 1,)]
    assert rows(path, "SELECT count(*) FROM added") == [(0,)]
    assert rows(path, "SELECT seq FROM usage_event") == [(1,)]


def test_a_transaction_that_fails_leaves_none_open(tmp_path: Path) -> None:
    path = tmp_path / "usage.db"
    Ledger(path).close()
    connection = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.Error):
        write_events(connection, [charges(1)[0]._replace(kind=object())])  # type: ignore[arg-type]
    assert not connection.in_transaction
    connection.close()
