"""The key store's file: its mode, its layout, what is refused. ``test_key_store`` has the rest."""

import sqlite3
from pathlib import Path

import pytest

from veritape.gateway.adapters.key_store import Grant, KeyStore
from veritape.gateway.adapters.sqlite_keys import TABLES, SqliteKeys
from veritape.gateway.keys import Environment
from veritape.kernel.errors import UnavailableError

PEPPER = bytes(range(32))


def test_a_file_of_the_first_layout_is_brought_forward(tmp_path: Path) -> None:
    """GW-404, GW-941: its accounts and keys stay, without limits of their own."""
    path = tmp_path / "keys.db"
    store = KeyStore(SqliteKeys(path), PEPPER)
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
    store = KeyStore(SqliteKeys(path), PEPPER)
    assert store.find(key) == record
    account = store.find_account("acme")
    assert account is not None
    assert (account.tier, account.revision) == ("free", 1)
    assert store.changes_since(-1).number == -1
    store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == TABLES.version
    connection.close()


def test_nobody_else_reads_the_file_and_no_key_is_in_it(tmp_path: Path) -> None:
    """GW-403: mode 0600; the octets of a key are in neither the file nor its journal."""
    store = KeyStore(SqliteKeys(tmp_path / "deep" / "keys.db"), PEPPER)
    key, _ = store.create("acme", "free", Grant(Environment.LIVE, ()), 1_000)
    store.close()
    octets = b"".join(path.read_bytes() for path in (tmp_path / "deep").iterdir())
    assert key[:14].encode() in octets
    assert key[14:].encode() not in octets
    assert (tmp_path / "deep" / "keys.db").stat().st_mode & 0o777 == 0o600


def test_a_newer_or_broken_file_is_refused(tmp_path: Path) -> None:
    """GW-941: nothing is written to a file of a newer program; a directory in its place is one line."""
    path = tmp_path / "keys.db"
    SqliteKeys(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(
        UnavailableError, match=rf"keys_version: {path} is of version 9, written by a newer veritape"
    ):
        SqliteKeys(path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(UnavailableError, match="cannot open"):
        SqliteKeys(tmp_path / "folder")
