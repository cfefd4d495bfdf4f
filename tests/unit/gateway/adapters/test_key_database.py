"""What both databases of the key store promise below its rows: whole transactions, changes in order, texts as they are."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from veritape.gateway.adapters.key_database import KeyDatabase, beside, is_storable
from veritape.gateway.adapters.postgres_keys import PostgresKeys
from veritape.gateway.adapters.sqlite_keys import SqliteKeys
from veritape.kernel.errors import MisuseError, UnavailableError

TELL = "INSERT INTO change(account) VALUES (?)"
LOG = "SELECT account FROM change ORDER BY number"


@pytest.fixture(params=["sqlite", "postgres"])
def opened(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[], KeyDatabase]]:
    databases: list[KeyDatabase] = []
    url = request.getfixturevalue("postgres").database() if request.param == "postgres" else ""

    def one_more() -> KeyDatabase:
        databases.append(PostgresKeys(url) if url else SqliteKeys(tmp_path / "keys.db"))
        return databases[-1]

    yield one_more
    for database in databases:
        database.close()


def test_a_transaction_is_whole_or_nothing(opened: Callable[[], KeyDatabase]) -> None:
    """GW-404: what a block raises, or the database refuses, leaves nothing; reads inside see what was changed."""
    database = opened()

    def refused() -> None:
        with database.transaction():
            database.change(TELL, "a")
            assert database.rows(LOG) == [("a",)]
            raise MisuseError("no")

    with pytest.raises(MisuseError, match="no"):
        refused()
    with pytest.raises(UnavailableError, match="does not answer"), database.transaction():
        database.change_all(TELL, [("a",), (None,)])
    assert database.rows(LOG) == []
    with database.transaction():
        database.change_all(TELL, [("b",), ("c",)])
    assert opened().rows(LOG) == [("b",), ("c",)]


def test_a_reader_of_the_change_log_misses_no_number(opened: Callable[[], KeyDatabase]) -> None:
    """GW-418: while four write at once, a reader that goes on after the last number it saw sees every change."""
    count, seen, reader = 25, [0], opened()
    names: list[str] = []

    def write(name: str) -> None:
        database = opened()
        for number in range(count):
            with database.transaction():
                database.change(
                    "INSERT INTO account(id, tier, suspended, created_us) VALUES (?, 'free', 0, 0)",
                    f"{name}{number}",
                )

    writers = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for writer in writers:
        writer.start()
    at_work = True
    while at_work:
        at_work = any(writer.is_alive() for writer in writers)  # asked before the last reading, not after it
        for number, account in reader.rows(
            "SELECT number, account FROM change WHERE number > ? ORDER BY number", seen[-1]
        ):
            seen.append(number)
            names.append(account)
    assert sorted(names) == sorted(f"{name}{number}" for name in "abcd" for number in range(count))


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_a_text_that_no_database_stores_is_nowhere(opened: Callable[[], KeyDatabase], text: str) -> None:
    """GW-901: looked up it is unknown, written it is refused; neither is a failure of the store."""
    database = opened()
    database.change(TELL, "a")
    assert database.rows("SELECT number FROM change WHERE account = ?", text) == []
    with pytest.raises(MisuseError, match="cannot be stored"):
        database.change(TELL, text)
    assert not is_storable(text)
    assert database.rows(LOG) == [("a",)]


async def test_a_store_elsewhere_is_asked_in_its_thread(opened: Callable[[], KeyDatabase]) -> None:
    """GW-404: the event loop waits for no database elsewhere; a file answers at once."""
    database, here = opened(), threading.get_ident()
    asked = await beside(database.thread, threading.get_ident)
    assert (asked == here) == isinstance(database, SqliteKeys)
