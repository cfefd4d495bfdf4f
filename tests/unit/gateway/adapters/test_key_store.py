"""Keys in SQLite: created, found, rotated, revoked; the pepper's file."""

import sqlite3
from pathlib import Path

import pytest

from veritape.gateway.adapters.key_store import Grant, KeyStore
from veritape.gateway.keys import Environment, KeyState, key_digest
from veritape.gateway.quota import Limits, make_rule
from veritape.kernel.errors import MisuseError, UnavailableError

PEPPER = bytes(range(32))
GRANT = Grant(Environment.LIVE, ("trades:read",), "desk", ("10.0.0.0/8",))
DAY_US = 86_400_000_000


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "deep" / "keys.db", PEPPER)


def test_a_key_is_found_and_never_stored(store: KeyStore, tmp_path: Path) -> None:
    """GW-403: only HMAC and shown prefix are in the file, which others cannot read."""
    key, record = store.create("acme", "free", GRANT, 1_000)
    assert store.find(key) == record
    assert (record.account, record.tier, record.scopes, record.label) == (
        "acme",
        "free",
        ("trades:read",),
        "desk",
    )
    assert record.digest == key_digest(PEPPER, key)
    store.close()
    octets = b"".join(path.read_bytes() for path in (tmp_path / "deep").iterdir())
    assert key.encode() not in octets
    assert key[14:].encode() not in octets
    assert (tmp_path / "deep" / "keys.db").stat().st_mode & 0o777 == 0o600


def test_an_unknown_key_and_another_pepper_find_nothing(store: KeyStore, tmp_path: Path) -> None:
    """GW-403: without the pepper the digests are of no use."""
    key, _ = store.create("acme", "free", GRANT, 1_000)
    assert store.find("vt_live_" + "0" * 40) is None
    assert KeyStore(tmp_path / "deep" / "keys.db", b"x" * 32).find(key) is None


def test_an_account_keeps_its_tier(store: KeyStore) -> None:
    """GW-405, GW-419: the tier belongs to the account."""
    with pytest.raises(MisuseError, match="is new"):
        store.create("acme", None, GRANT, 1)
    store.create("acme", "free", GRANT, 1)
    store.create("acme", None, GRANT, 2)
    with pytest.raises(MisuseError, match="has tier 'free'"):
        store.create("acme", "pro", GRANT, 3)
    assert len(store.list("acme")) == 2
    assert store.list("other") == []


def test_at_most_twenty_active_keys(store: KeyStore) -> None:
    """GW-405: the twenty-first is refused until one is revoked."""
    records = [store.create("acme", "free", GRANT, index)[1] for index in range(20)]
    with pytest.raises(MisuseError, match="20 active"):
        store.create("acme", None, GRANT, 100)
    store.revoke(records[0].id, "", 100)
    store.create("acme", None, GRANT, 101)


def test_rotation_overlaps(store: KeyStore) -> None:
    """GW-405: the new key has the same rights; the old one works for the overlap and not longer."""
    key, old = store.create("acme", "free", GRANT, 0)
    new_key, new = store.rotate(old.id, 3_600, 1_000)
    found = store.find(key)
    assert found is not None
    assert (found.expires_us, found.replaced_by) == (1_000 + 3_600_000_000, new.id)
    assert (new.scopes, new.cidrs, new.label, new.environment) == (
        old.scopes,
        old.cidrs,
        old.label,
        old.environment,
    )
    assert store.find(new_key) == new
    assert found.state(found.expires_us) is KeyState.EXPIRED
    for overlap_s in (-1, 31 * 86_400):
        with pytest.raises(MisuseError, match="30 days"):
            store.rotate(new.id, overlap_s, 1)
    with pytest.raises(MisuseError, match="expired"):
        store.rotate(old.id, 1, 2 * DAY_US)
    with pytest.raises(MisuseError, match="no key has the id"):
        store.rotate("key_x", 1, 1)


def test_revoking_is_final(store: KeyStore, tmp_path: Path) -> None:
    """GW-405: a second revocation changes nothing, and the file itself refuses to undo it."""
    _, record = store.create("acme", "free", GRANT, 0)
    assert store.revoke(record.id, "leaked", 10).revoked_us == 10
    assert store.revoke(record.id, "", 20).revoked_us == 10
    with (
        sqlite3.connect(tmp_path / "deep" / "keys.db") as connection,
        pytest.raises(sqlite3.Error, match="stays revoked"),
    ):
        connection.execute("UPDATE api_key SET revoked_us = 0")


def test_last_use_only_rises(store: KeyStore) -> None:
    """GW-404: last_used."""
    _, record = store.create("acme", "free", GRANT, 0)
    store.note_use([(record.id, 50), (record.id, 40)])
    assert store.get(record.id).last_used_us == 50


def test_a_newer_or_broken_file_is_refused(tmp_path: Path) -> None:
    """GW-941: nothing is written to a file of a newer program; a directory in its place is one line."""
    path = tmp_path / "keys.db"
    KeyStore(path, PEPPER).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(UnavailableError, match="version 9"):
        KeyStore(path, PEPPER)
    (tmp_path / "folder").mkdir()
    with pytest.raises(UnavailableError, match="cannot open"):
        KeyStore(tmp_path / "folder", PEPPER)


def test_a_store_that_is_gone_says_so(store: KeyStore) -> None:
    """GW-418: the caller can tell an unknown key from a store that does not answer."""
    store.close()
    for ask in (
        lambda: store.find("vt_live_" + "0" * 40),
        lambda: store.find_account("acme"),
        lambda: store.changes_since(0),
        lambda: store.revoked_tokens(0),
        lambda: store.move_keys({"key_a": b""}),
    ):
        with pytest.raises(UnavailableError, match="does not answer"):
            ask()


def test_an_account_is_changed_by_whoever_read_it_last(store: KeyStore) -> None:
    """GW-146, GW-419: tier, suspension and own limits, checked like a tier's; a stale revision changes nothing."""
    store.create("acme", "free", GRANT, 1)
    read = store.find_account("acme")
    assert read is not None
    changed = store.change_account(read._replace(tier="enterprise"), '{"minute": {"limit": 5000}}')
    assert (changed.tier, changed.revision) == ("enterprise", 2)
    assert changed.own_limits == Limits(minute=make_rule(5_000, 60, 7_500))
    assert store.list("acme")[0].own_limits == changed.own_limits
    with pytest.raises(MisuseError, match="changed in between"):
        store.change_account(read._replace(tier="pro"), "{}")
    with pytest.raises(MisuseError, match="unknown or was changed"):
        store.change_account(read._replace(id="other"), "{}")
    with pytest.raises(MisuseError, match=r"limits\.concurrency: out_of_range"):
        store.change_account(changed, '{"concurrency": 0}')
    assert store.find_account("acme") == changed
    assert store.find_account("other") is None


def test_the_change_log_names_whose_rights_changed(store: KeyStore) -> None:
    """GW-418: created, rotated, revoked, another tier; a last use is no change."""
    _, acme = store.create("acme", "free", GRANT, 1)
    store.create("bolt", "free", GRANT, 1)
    first = store.changes_since(-1)
    assert first.accounts == {"acme", "bolt"}
    store.note_use([(acme.id, 5)])
    assert store.changes_since(first.number) == (first.number, frozenset())
    store.rotate(acme.id, 60, 2)
    second = store.changes_since(first.number)
    assert second.accounts == {"acme"}
    store.revoke_token("https://issuer", "j1", 100, 50)
    assert store.changes_since(second.number).accounts == {""}


def test_a_revoked_token_is_remembered_while_it_could_be_valid(store: KeyStore) -> None:
    """GW-434: by issuer and ``jti``; what no token can outlive is forgotten."""
    store.revoke_token("https://issuer", "j1", 100, 50)
    store.revoke_token("https://issuer", "j1", 120, 50)
    assert store.revoked_tokens(119) == {("https://issuer", "j1")}
    assert store.revoked_tokens(120) == frozenset()
    store.revoke_token("https://issuer", "j2", 300, 200)
    assert store.revoked_tokens(0) == {("https://issuer", "j2")}
