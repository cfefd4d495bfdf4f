"""What is read of accounts and keys; ``test_key_store`` reads it from both databases as it changes it."""

from pathlib import Path

import pytest

from veritape.gateway.adapters.key_reader import KeyReader
from veritape.gateway.adapters.key_store import Grant, KeyStore
from veritape.gateway.adapters.sqlite_keys import SqliteKeys
from veritape.gateway.keys import Environment
from veritape.kernel.errors import MisuseError, UnavailableError

PEPPER = bytes(range(32))


def test_lists_go_on_where_they_stopped(tmp_path: Path) -> None:
    """GW-702: accounts by id, after one and at most so many; keys oldest first; each account's limits as they were given."""
    store = KeyStore(SqliteKeys(tmp_path / "keys.db"), PEPPER)
    for name in ("c", "a", "b"):
        store.add_account(name, "free", '{"concurrency": 3}', 1, lambda: None)
    ids = [store.create("a", None, Grant(Environment.TEST, ()), wall_us)[1].id for wall_us in (9, 5)]
    reader = KeyReader(SqliteKeys(tmp_path / "keys.db"), PEPPER)
    assert [(account.id, text) for account, text in reader.list_accounts("a", 2)] == [
        ("b", '{"concurrency": 3}'),
        ("c", '{"concurrency": 3}'),
    ]
    assert [account.id for account, _ in reader.list_accounts("", 1)] == ["a"]
    assert [record.id for record in reader.list("a")] == ids[::-1]
    assert reader.account_row("b") == reader.list_accounts("a", 1)[0]
    assert reader.account_row("none") is None
    with pytest.raises(MisuseError, match="no key has the id"):
        reader.get("key_none")
    reader.close()
    store.close()


def test_a_store_that_is_gone_says_so(tmp_path: Path) -> None:
    """GW-418: the caller can tell an unknown key from a store that does not answer."""
    store = KeyStore(SqliteKeys(tmp_path / "keys.db"), PEPPER)
    store.close()
    for ask in (
        lambda: store.find("vt_live_" + "0" * 40),
        lambda: store.find_account("acme"),
        lambda: store.changes_since(0),
        lambda: store.revoked_tokens(0),
        lambda: store.move_keys({"key_a": b""}),
        store.list,
        lambda: store.get("key_a"),
    ):
        with pytest.raises(UnavailableError, match="does not answer"):
            ask()
