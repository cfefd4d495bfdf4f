"""The ledger that commands read, whichever database keeps it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.postgres_process import PostgresProcess, postgres_process
from tests.usage_events import NOVEMBER, event, write_ledger

from veritape.apps.usage_ledger import opened_usage
from veritape.gateway.adapters.postgres_ledger import PostgresLedger
from veritape.gateway.settings import GatewaySettings, LedgerSettings
from veritape.gateway.usage import Kind

EVENTS = [
    event(1), event(2, -1_000, Kind.REFUND), event(3, 500, env="test", subject="acme:test"),
    event(4, 0, Kind.DENIED, subject="", items=9), event(5, account="bolt", subject="bolt:live"),
]  # fmt: skip


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresProcess]:
    with postgres_process() as process:
        yield process


def test_both_databases_say_the_same(postgres: PostgresProcess, tmp_path: Path) -> None:
    """GW-681, GW-682, GW-685: figures, events and sums of SQLite and PostgreSQL are equal."""
    url = postgres.database()
    ledger = PostgresLedger(url)
    ledger.write(EVENTS)
    ledger.close()
    write_ledger(tmp_path / "usage.db", EVENTS)
    found = []
    for settings in (
        GatewaySettings(data_dir=tmp_path),
        GatewaySettings(data_dir=tmp_path / "none", ledger=LedgerSettings(url=url)),
    ):
        with opened_usage(settings) as reader:
            found.append((
                [reader.figures(NOVEMBER, by) for by in ("route", "key", "day")], reader.accounts(NOVEMBER),
                list(reader.events(NOVEMBER, "acme")), reader.differences(NOVEMBER),
            ))  # fmt: skip
    assert found[0] == found[1]
    assert (found[0][1], found[0][3]) == (["acme", "bolt"], [])
