"""The ledger in a real PostgreSQL: partitions, triggers, several writers, loss and return. ``test_ledgers`` has the rest."""

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.servers.postgres_process import PostgresProcess
from tests.usage import BOOT, charges

from veritape.gateway.adapters import postgres_ledger as module
from veritape.gateway.adapters.postgres_ledger import TABLES, PostgresLedger
from veritape.gateway.reconciliation import Share
from veritape.kernel.errors import MisuseError, UnavailableError


@pytest.fixture
def url(postgres: PostgresProcess) -> str:
    return postgres.database()


@pytest.fixture
def ledger(url: str) -> Iterator[PostgresLedger]:
    made = PostgresLedger(url)
    yield made
    made.close()


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def test_a_partition_a_month(ledger: PostgresLedger, url: str) -> None:
    """GW-685: events lie in the partition of their month; the same month again makes none."""
    december = [event._replace(period="2026-12") for event in charges(2, first=4)]
    ledger.write([*charges(3), *december])
    ledger.write(charges(1, first=9))
    other = PostgresLedger(url)
    other.write(charges(1, first=10))
    other.close()
    counted = "SELECT tableoid::regclass::text, count(*) FROM usage_event GROUP BY 1 ORDER BY 1"
    assert rows(url, counted) == [("usage_event_2026_11", 5), ("usage_event_2026_12", 2)]
    assert rows(url, "SELECT seq, closed FROM outbox_mark") == [(10, 0)]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE usage_event SET units_mu = 0", "DELETE FROM usage_event", "TRUNCATE usage_event",
     "DELETE FROM usage_event_2026_11"],
)  # fmt: skip
def test_the_ledger_refuses_change_and_removal(ledger: PostgresLedger, url: str, statement: str) -> None:
    """GW-652: triggers refuse them, on the table and on a partition."""
    ledger.write(charges(1))
    with psycopg.connect(url) as connection, pytest.raises(psycopg.Error, match="append-only"):
        connection.execute(statement.encode())
    assert ledger.month_sums("2026-11") == {"acme:live": 2_000}


def test_a_row_removed_behind_the_trigger_shows(ledger: PostgresLedger, url: str) -> None:
    """GW-673: months and events of a sound ledger agree; a planted removal is found."""
    ledger.write(charges(3))
    assert ledger.broken_sums("2026-11") == {}
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM usage_event WHERE seq = 2")
    assert ledger.broken_sums("2026-11") == {"acme:live": (6_000, 4_000)}


def test_writers_at_once_count_each_event_once(url: str) -> None:
    """GW-664, GW-685: four gateways write overlapping groups at the same time; no event is lost, none doubled."""
    fresh: list[int] = []

    def write(start: int) -> None:
        ledger = PostgresLedger(url)
        fresh.extend(ledger.write(charges(30, first=first)) for first in range(start, start + 60, 10))
        ledger.close()

    writers = [threading.Thread(target=write, args=(start,)) for start in (1, 11, 21, 31)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sum(fresh) == 110
    assert rows(url, "SELECT sum(units_mu), sum(events) FROM usage_month") == [(220_000, 110)]
    assert rows(url, "SELECT count(*) FROM usage_event") == [(110,)]


def test_a_server_that_dies_comes_back(postgres: PostgresProcess, ledger: PostgresLedger) -> None:
    """GW-967: killed at once, it is said in one line; restarted, what was committed is there and writing goes on."""
    ledger.write(charges(3))
    postgres.kill()
    for _ in range(2):
        with pytest.raises(UnavailableError, match="the usage ledger cannot be written: "):
            ledger.write(charges(2, first=4))
    with pytest.raises(UnavailableError, match="cannot be read"):
        ledger.shares("2026-11")
    postgres.start()
    assert ledger.write(charges(5)) == 2
    assert ledger.shares("2026-11") == {Share("acme:live", BOOT.hex(), closed=False): 10_000}


def test_a_newer_ledger_is_refused(ledger: PostgresLedger, url: str) -> None:
    """GW-941: ``ledger_version``; nothing is written."""
    ledger.write(charges(1))
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO usage_layout VALUES (9)")
    other = PostgresLedger(url)
    with pytest.raises(
        UnavailableError,
        match="ledger_version: the usage ledger is of version 9, written by a newer veritape",
    ):
        other.write(charges(1, first=2))
    other.close()
    assert rows(url, "SELECT count(*) FROM usage_event") == [(1,)]


def test_migrations_go_forward(ledger: PostgresLedger, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-685: an older ledger gets the missing steps, once, and keeps its rows."""
    ledger.write(charges(1))
    grown = TABLES.tables._replace(steps=(*TABLES.tables.steps, ("CREATE TABLE added(one INTEGER)",)))
    monkeypatch.setattr(module, "TABLES", TABLES._replace(tables=grown))
    for _ in range(2):
        newer = PostgresLedger(url)
        assert newer.month_sums("2026-11") == {"acme:live": 2_000}
        newer.close()
    assert rows(url, "SELECT version FROM usage_layout ORDER BY version") == [
        (version,) for version in range(1, TABLES.tables.version + 2)
    ]
    assert rows(url, "SELECT count(*) FROM added") == [(0,)]


def test_address_and_password(postgres: PostgresProcess, tmp_path: Path) -> None:
    """GW-706: the password comes from a file; what cannot be used is named."""
    secret = tmp_path / "password"
    secret.write_text("open sesame\n")
    ledger = PostgresLedger(postgres.database(), secret)
    assert "password='open sesame'" in ledger._session._parameters
    assert ledger.month_sums("2026-11") == {}
    ledger.close()
    with pytest.raises(MisuseError, match=r"ledger\.password_file: cannot read"):
        PostgresLedger("postgresql://localhost/usage", tmp_path / "none")
    with pytest.raises(MisuseError, match=r"ledger\.url is no address"):
        PostgresLedger("postgresql://localhost/usage?nonsense=1")
