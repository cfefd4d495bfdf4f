"""Layout of the key store's file."""

import sqlite3
from pathlib import Path

from veritape.gateway.adapters import key_tables
from veritape.gateway.adapters.key_store import Grant, KeyStore
from veritape.gateway.keys import Environment

PEPPER = bytes(range(32))


def test_a_file_of_the_first_layout_is_brought_forward(tmp_path: Path) -> None:
    """GW-404, GW-941: its accounts and keys stay, without limits of their own."""
    path = tmp_path / "keys.db"
    store = KeyStore(path, PEPPER)
    key, record = store.create("acme", "free", Grant(Environment.LIVE, ("trades:read",)), 1_000)
    store.close()
    with sqlite3.connect(path) as connection:  # back to what the first version wrote
        for name in ("key_made", "key_changed", "account_made", "account_changed", "token_revoked"):
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("DROP TABLE change")
        connection.execute("DROP TABLE revoked_token")
        connection.execute("ALTER TABLE account DROP COLUMN limits")
        connection.execute("ALTER TABLE account DROP COLUMN revision")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    store = KeyStore(path, PEPPER)
    assert store.find(key) == record
    account = store.find_account("acme")
    assert account is not None
    assert (account.tier, account.revision) == ("free", 1)
    assert store.changes_since(-1).number == -1
    store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == key_tables.LAYOUT
    connection.close()
