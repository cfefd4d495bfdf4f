"""Keys in a real PostgreSQL: loss and return, a server that hangs, order of changes. ``test_key_store`` has the rest."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.children import children_of
from tests.servers.postgres_process import PostgresProcess

from veritape.gateway.adapters import postgres_keys
from veritape.gateway.adapters.key_reader import Changes
from veritape.gateway.adapters.key_store import Grant, KeyStore
from veritape.gateway.adapters.postgres_keys import PostgresKeys
from veritape.gateway.keys import Environment
from veritape.kernel.errors import MisuseError, UnavailableError

PEPPER = bytes(range(32))
WAITING = """SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
"""Somebody waits until another change is committed."""
GRANT = Grant(Environment.LIVE, ("trades:read",))


@pytest.fixture
def url(postgres: PostgresProcess) -> str:
    return postgres.database()


@pytest.fixture
def store(url: str) -> Iterator[KeyStore]:
    made = KeyStore(PostgresKeys(url), PEPPER)
    yield made
    made.close()


def test_a_server_that_dies_comes_back(postgres: PostgresProcess, store: KeyStore) -> None:
    """GW-404, GW-418: killed at once, it is said in one line; restarted, what was committed is found by the next look-up."""
    key, record = store.create("acme", "free", GRANT, 1)
    postgres.kill()
    for _ in range(2):
        with pytest.raises(UnavailableError, match="the key store does not answer: "):
            store.find(key)
    postgres.start()
    assert store.find(key) == record
    postgres.kill()
    postgres.start()
    assert store.find(key) == record  # the lost connection was noticed before it was used


def test_a_server_that_hangs_is_given_up(
    postgres: PostgresProcess, store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GW-418: stopped in the middle, with its connections open, it fails like one that is gone and holds nobody up."""
    key, record = store.create("acme", "free", GRANT, 1)
    monkeypatch.setattr(postgres_keys, "LOOK_UP_S", 0.2)
    assert postgres.process is not None
    every = [postgres.process.pid, *children_of(postgres.process.pid)]
    for one in every:
        os.kill(one, signal.SIGSTOP)
    try:
        with pytest.raises(UnavailableError, match="does not answer"):
            store.find(key)
    finally:
        for one in every:
            os.kill(one, signal.SIGCONT)
    monkeypatch.undo()
    assert store.find(key) == record


def test_a_change_by_hand_is_seen_in_its_turn(store: KeyStore, url: str) -> None:
    """GW-418: triggers number whatever anybody commits; a change that is under way makes later ones wait, so none is skipped."""
    store.create("acme", "free", GRANT, 1)
    store.create("bolt", "free", GRANT, 1)
    seen = store.changes_since(-1).number
    with psycopg.connect(url) as by_hand:
        by_hand.execute("UPDATE account SET tier = 'pro' WHERE id = 'acme'")
        later = threading.Thread(target=store.revoke, args=(store.list("bolt")[0].id, "", 2))
        reader = KeyStore(PostgresKeys(url), PEPPER)
        later.start()
        while later.is_alive() and not by_hand.execute(WAITING).fetchall():
            continue
        assert reader.changes_since(seen) == (seen, frozenset())
        by_hand.commit()
        later.join()
    assert reader.changes_since(seen) == Changes(seen + 2, frozenset({"acme", "bolt"}))
    reader.close()


def test_a_newer_store_is_refused(store: KeyStore, url: str) -> None:
    """GW-941: nothing is read from or written to tables of a newer program."""
    store.create("acme", "free", GRANT, 1)
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO key_layout VALUES (9)")
    other = KeyStore(PostgresKeys(url), PEPPER)
    with pytest.raises(
        UnavailableError, match="keys_version: the key store is of version 9, written by a newer"
    ):
        other.list()
    other.close()


def test_address_and_password_are_checked(tmp_path: Path) -> None:
    """GW-706: what cannot be used is named with its setting."""
    with pytest.raises(MisuseError, match=r"keys\.password_file: cannot read"):
        PostgresKeys("postgresql://localhost/keys", tmp_path / "none")
    with pytest.raises(MisuseError, match=r"keys\.url is no address"):
        PostgresKeys("postgresql://localhost/keys?nonsense=1")
