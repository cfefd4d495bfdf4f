"""Figures read from the ledger."""

import sqlite3
from pathlib import Path

import pytest
from tests.usage_events import AT_US, NOVEMBER, event, write_ledger

from veritape.gateway.adapters import usage_reader as module
from veritape.gateway.adapters.usage_reader import sqlite_usage
from veritape.gateway.billing import Figures, add_up
from veritape.gateway.usage import Kind
from veritape.kernel.errors import UnavailableError

DAY_US = 86_400_000_000
EVENTS = [
    event(1),
    event(2, 2_000, key_id="key_b"),
    event(3, -1_000, Kind.REFUND),
    event(4, -250, Kind.CREDIT, key_id="", route=""),
    event(5, 0, Kind.DENIED, key_id="", subject="", items=9),
    event(6, 0, Kind.ANONYMOUS, account="ip:lan-10", env="", key_id="", subject="", items=4),
    event(7, 500, env="test", subject="acme:test", at_us=AT_US + DAY_US),
    event(8, account="bolt", subject="bolt:live", period="2026-10"),
]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "usage.db"
    write_ledger(path, EVENTS)
    return path


def test_figures_by_route(ledger: Path) -> None:
    """GW-681: one row an account, environment and route of the month asked for."""
    with sqlite_usage(ledger) as reader:
        assert reader.figures(NOVEMBER, "route") == [
            Figures("acme", "live", "", 0, 0, 0, 250, 0),
            Figures("acme", "live", "trades", 2, 2_000, 1_000, 0, 9),
            Figures("acme", "test", "trades", 1, 500, 0, 0, 0),
            Figures("ip:lan-10", "", "trades", 4, 0, 0, 0, 0),
        ]


def test_figures_by_key_and_day_of_one_account(ledger: Path) -> None:
    """GW-681: the same events, told apart by key or by UTC day."""
    with sqlite_usage(ledger) as reader:
        by_key = reader.figures(NOVEMBER, "key", "acme")
        by_day = reader.figures(NOVEMBER, "day", "acme")
    assert {row.group: row.units_mu for row in by_key if row.env == "live"} == {
        "": 0,
        "key_a": 0,
        "key_b": 2_000,
    }
    assert {row.group: row.units_mu for row in by_day} == {"2026-11-20": 2_000, "2026-11-21": 500}


def test_single_events_of_an_account_in_the_order_of_their_ids(ledger: Path) -> None:
    """GW-682: what an invoice rests on; counted rows are not among them."""
    with sqlite_usage(ledger) as reader:
        assert reader.accounts(NOVEMBER) == ["acme"]
        assert list(reader.events(NOVEMBER, "acme")) == [EVENTS[i] for i in (0, 1, 2, 3, 6)]


def test_a_month_is_read_page_by_page(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-682, GW-684: whatever the size of a page, all single events of all accounts come once, in the order of their ids."""
    expected = [EVENTS[i] for i in (0, 1, 2, 3, 6)]
    for size in range(1, 8):
        monkeypatch.setattr(module, "PAGE", size)
        with sqlite_usage(ledger) as reader:
            assert list(reader.month_events(NOVEMBER)) == expected
            assert list(reader.month_usage(NOVEMBER)) == ["acme"]
            assert reader.month_usage(NOVEMBER)["acme"] == add_up(expected)["acme"]


def test_a_month_that_does_not_follow_from_its_events_is_found(ledger: Path) -> None:
    """GW-682, GW-968: a planted difference is named with both figures."""
    with sqlite_usage(ledger) as reader:
        assert reader.differences(NOVEMBER) == []
    with sqlite3.connect(ledger) as planted:
        planted.execute("UPDATE usage_month SET units_mu = units_mu + 1 WHERE subject = 'acme:test'")
    planted.close()
    with sqlite_usage(ledger) as reader:
        assert reader.differences(NOVEMBER) == [("acme:test", 500, 501)]


def test_a_ledger_of_an_older_program_is_named(tmp_path: Path) -> None:
    """GW-941: readers bring nothing forward; they say who does."""
    older = sqlite3.connect(tmp_path / "usage.db")
    older.execute("CREATE TABLE usage_event(boot BLOB)")
    older.close()
    with (
        pytest.raises(UnavailableError, match=r"ledger_version: .*start the gateway once"),
        sqlite_usage(tmp_path / "usage.db"),
    ):
        pass


def test_a_ledger_that_is_not_there_is_named(tmp_path: Path) -> None:
    """GW-681: nothing is made by reading."""
    with (
        pytest.raises(UnavailableError, match=r"no usage ledger .*none\.db"),
        sqlite_usage(tmp_path / "none.db"),
    ):
        pass
    assert not list(tmp_path.iterdir())
