"""One suite for every key store: created, found, rotated, revoked, in SQLite and in PostgreSQL."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from veritape.gateway.adapters.key_database import KeyDatabase
from veritape.gateway.adapters.key_store import Grant, KeyStore
from veritape.gateway.adapters.postgres_keys import PostgresKeys
from veritape.gateway.adapters.sqlite_keys import SqliteKeys
from veritape.gateway.keys import Environment, KeyRecord, KeyState, key_digest
from veritape.gateway.quota import Limits, make_rule
from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.telemetry.audit_log import AuditKind

PEPPER = bytes(range(32))
GRANT = Grant(Environment.LIVE, ("trades:read",), "desk", ("10.0.0.0/8",))
DAY_US = 86_400_000_000

Opened: TypeAlias = Callable[[], KeyDatabase]
"""Opens the same database once more."""


@pytest.fixture(params=["sqlite", "postgres"])
def opened(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Opened]:
    databases: list[KeyDatabase] = []
    url = request.getfixturevalue("postgres").database() if request.param == "postgres" else ""

    def one_more() -> KeyDatabase:
        databases.append(PostgresKeys(url) if url else SqliteKeys(tmp_path / "keys.db"))
        return databases[-1]

    yield one_more
    for database in databases:
        database.close()


@pytest.fixture
def store(opened: Opened) -> KeyStore:
    return KeyStore(opened(), PEPPER)


def test_a_key_is_found_and_never_stored(store: KeyStore) -> None:
    """GW-403, GW-404: every member of its record comes back; only HMAC and shown prefix are in the database."""
    key, record = store.create("acme", "free", GRANT, 1_000)
    assert store.find(key) == record
    assert (record.account, record.tier, record.scopes, record.label) == (
        "acme",
        "free",
        ("trades:read",),
        "desk",
    )
    assert record.digest == key_digest(PEPPER, key)
    (row,) = store._database.rows("SELECT * FROM api_key")
    assert bytes(row[3]) == record.digest
    stored = [value for value in row if isinstance(value, str)]
    assert key[:14] in stored
    assert not any(key[14:] in value for value in stored)


def test_an_unknown_key_and_another_pepper_find_nothing(store: KeyStore, opened: Opened) -> None:
    """GW-403: without the pepper the digests are of no use; with two, each key is found under its own."""
    key, record = store.create("acme", "free", GRANT, 1_000)
    assert store.find("vt_live_" + "0" * 40) is None
    assert KeyStore(opened(), b"x" * 32).find(key) is None
    assert KeyStore(opened(), b"x" * 32, PEPPER).find(key) == record


def test_two_stores_see_each_other(store: KeyStore, opened: Opened) -> None:
    """GW-404, GW-418: what one changes the other finds, and its change log names."""
    other = KeyStore(opened(), PEPPER)
    key, record = store.create("acme", "free", GRANT, 1_000)
    assert other.find(key) == record
    seen = other.changes_since(-1)
    other.revoke(record.id, "leaked", 2_000)
    assert store.changes_since(seen.number).accounts == {"acme"}
    found = store.find(key)
    assert found is not None
    assert found.state(2_000) is KeyState.REVOKED


def test_a_change_that_cannot_be_recorded_is_not_made(opened: Opened) -> None:
    """GW-704: what the audit log's writer raises undoes the change; the next one succeeds."""
    fails = True

    def noted(_: AuditKind, __: KeyRecord, ___: str) -> None:
        if fails:
            raise UnavailableError("the audit log cannot be written")

    store = KeyStore(opened(), PEPPER, noted=noted)
    with pytest.raises(UnavailableError, match="audit log"):
        store.create("acme", "free", GRANT, 1)
    assert store.list() == []
    assert store.find_account("acme") is None
    fails = False
    _, record = store.create("acme", "free", GRANT, 1)
    fails = True
    with pytest.raises(UnavailableError, match="audit log"):
        store.revoke(record.id, "", 2)
    assert store.get(record.id).revoked_us == 0


def test_changes_at_once_are_made_one_after_another(store: KeyStore, opened: Opened) -> None:
    """GW-405: forty creations from four stores at once make twenty keys; the rest are refused."""
    store.create("acme", "free", GRANT, 1)
    refused: list[str] = []

    def create() -> None:
        mine = KeyStore(opened(), PEPPER)
        for _ in range(10):
            try:
                mine.create("acme", None, GRANT, 2)
            except MisuseError as error:
                refused.append(error.message)

    makers = [threading.Thread(target=create) for _ in range(4)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(store.list("acme")) == 20
    assert len(refused) == 21
    assert all("20 active keys" in one for one in refused)
    assert store.changes_since(-1).number == 21  # the account and twenty keys, no number lost


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


def test_revoking_is_final(store: KeyStore, opened: Opened) -> None:
    """GW-405: a second revocation changes nothing, and the database itself refuses to undo it."""
    _, record = store.create("acme", "free", GRANT, 0)
    assert store.revoke(record.id, "leaked", 10).revoked_us == 10
    assert store.revoke(record.id, "", 20).revoked_us == 10
    with pytest.raises(UnavailableError, match="stays revoked"):
        opened().change("UPDATE api_key SET revoked_us = 0")
    assert store.get(record.id).revoked_us == 10


def test_last_use_only_rises(store: KeyStore) -> None:
    """GW-404: last_used."""
    _, record = store.create("acme", "free", GRANT, 0)
    store.note_use([(record.id, 50), (record.id, 40)])
    assert store.get(record.id).last_used_us == 50


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
