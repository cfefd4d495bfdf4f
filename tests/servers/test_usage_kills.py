"""Charges while gateway, drainer and PostgreSQL are killed: each acknowledged one is in the ledger once."""

import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import psycopg
import pytest
from tests.servers.postgres_process import PostgresProcess, postgres_process
from tests.servers.usage_processes import (
    CALLERS,
    acknowledged,
    charge,
    drain,
    open_ledger,
    started,
)
from tests.waiting import waited

from veritape.gateway.adapters.drainer import Drainer

pytestmark = pytest.mark.usefixtures("whole_month")

KILLS = 200 if os.environ.get("VERITAPE_SOAK") == "1" else 10  # noqa: TID251 - the two sizes of one test


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresProcess]:
    with postgres_process() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """Return the address of the ledger's database, empty for SQLite."""
    if request.param == "sqlite":
        return ""
    server: PostgresProcess = request.getfixturevalue("postgres")
    return server.database()


def killed(child: BaseProcess) -> None:
    child.kill()
    child.join()


def after_more(folder: Path, chance: random.Random) -> None:
    """Wait until some more charges were acknowledged, then a moment."""
    enough = len(acknowledged(folder)) + chance.randint(10, 60)
    waited(
        lambda: len(acknowledged(folder)) >= enough, lambda: f"no more charges: {acknowledged(folder)[-3:]}"
    )
    time.sleep(chance.random() / 100)


def in_ledger(folder: Path, url: str) -> tuple[Counter[str], int, int]:
    """Return the charges by request, what the events add up to and what the months do, after one last pass of a drainer."""
    ledger = open_ledger(folder, url)
    told: list[str] = []
    assert Drainer(folder / "outbox", ledger, told.append).drain().failure is None
    ledger.close()
    assert told == []
    assert list((folder / "outbox").iterdir()) == []
    database = psycopg.connect(url) if url else sqlite3.connect(folder / "usage.db")
    queries = (
        "SELECT request_id FROM usage_event",
        "SELECT sum(units_mu) FROM usage_event",
        "SELECT sum(units_mu) FROM usage_month",
    )
    found, events, months = (database.execute(query).fetchall() for query in queries)
    database.close()
    return Counter(str(row[0]) for row in found), int(events[0][0]), int(months[0][0])


def check(folder: Path, url: str, unanswered: int) -> None:
    """Compare; charges that nobody was answered for may be there, at most so many."""
    charged, events_mu, months_mu = in_ledger(folder, url)
    answered = set(acknowledged(folder))
    assert answered <= set(charged)
    assert set(charged.values()) == {1}
    assert len(charged) - len(answered) <= unanswered
    assert events_mu == months_mu == 2_000 * len(charged)


@pytest.mark.parametrize("commit", ["local", "ledger"])
def test_killed_gateways_lose_no_acknowledged_charge(
    postgres: PostgresProcess, tmp_path: Path, commit: str
) -> None:
    """GW-967, GW-661: killed at random moments while a drainer runs; each acknowledged charge once, with both commits."""
    url = postgres.database()
    kill_gateways(tmp_path, url, url if commit == "ledger" else "")


def test_killed_gateways_on_sqlite(tmp_path: Path) -> None:
    """GW-967, GW-661: as above, with the ledger in SQLite."""
    kill_gateways(tmp_path, "", "")


def kill_gateways(tmp_path: Path, url: str, commit: str) -> None:
    chance, drainer = random.Random(967), started(drain, tmp_path, url)
    for _ in range(KILLS):
        gateway = started(charge, tmp_path, commit)
        after_more(tmp_path, chance)
        killed(gateway)
    killed(drainer)
    check(tmp_path, url, CALLERS * KILLS)


def test_killed_drainers_lose_and_double_nothing(tmp_path: Path, url: str) -> None:
    """GW-967, GW-664: whatever step a drainer dies in, the next one repeats it without a trace."""
    chance, gateway = random.Random(664), started(charge, tmp_path, "")
    for _ in range(KILLS):
        drainer = started(drain, tmp_path, url)
        after_more(tmp_path, chance)
        killed(drainer)
    killed(gateway)
    check(tmp_path, url, CALLERS)


@pytest.mark.parametrize("commit", ["local", "ledger"])
def test_a_killed_database_loses_and_doubles_nothing(
    postgres: PostgresProcess, tmp_path: Path, commit: str
) -> None:
    """GW-967, GW-661: PostgreSQL dies under charges and drainer; charges go on through the outbox, each once in the end."""
    chance, url = random.Random(685), postgres.database()
    gateway = started(charge, tmp_path, url if commit == "ledger" else "")
    drainer = started(drain, tmp_path, url)
    for _ in range(KILLS):
        after_more(tmp_path, chance)
        postgres.kill()
        after_more(tmp_path, chance)
        postgres.start()
    after_more(tmp_path, chance)
    for child in (gateway, drainer):
        killed(child)
    check(tmp_path, url, CALLERS)


def test_a_lost_and_a_doubled_charge_are_found(tmp_path: Path) -> None:
    """GW-967: the check above finds a planted loss and a planted double."""
    gateway = started(charge, tmp_path, "")
    after_more(tmp_path, random.Random(1))
    killed(gateway)
    check(tmp_path, "", CALLERS)
    faults: list[Callable[[sqlite3.Connection, str], object]] = [
        lambda database, one: database.execute("DELETE FROM usage_event WHERE request_id = ?", (one,)),
        lambda database, one: database.execute("INSERT INTO usage_event(boot, seq, request_id, units_mu) VALUES (x'00', 1, ?, 0)", (one,)),
    ]  # fmt: skip
    for fault in faults:
        database = sqlite3.connect(tmp_path / "usage.db")
        database.execute("DROP TRIGGER IF EXISTS usage_event_not_deleted")
        fault(database, acknowledged(tmp_path)[0])
        database.commit()
        database.close()
        with pytest.raises(AssertionError):
            check(tmp_path, "", CALLERS)
