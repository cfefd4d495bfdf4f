"""Who calls an application that limits itself."""

from pathlib import Path
from typing import Any

import pytest
from tests import limited
from tests.servers.gateway_world import PEPPER

from veritape.gateway.adapters import callers
from veritape.gateway.adapters.callers import Account, Callers, Client
from veritape.gateway.adapters.key_finder import KeyFinder
from veritape.gateway.adapters.key_store import Grant, KeyStore
from veritape.gateway.adapters.sqlite_keys import SqliteKeys
from veritape.gateway.keys import Environment
from veritape.gateway.problems import RefusedError
from veritape.gateway.reasons import Reason
from veritape.kernel.clock import ManualClock
from veritape.kernel.errors import UnavailableError


def scope(host: str | None = "203.0.113.7", **fields: str) -> dict[str, Any]:
    """Return a request's scope."""
    headers = [
        (name.replace("_", "-").encode(), value.encode()) for name, value in fields.items() if name != "query"
    ]
    client = None if host is None else (host, 1)
    return {"client": client, "headers": headers, "query_string": fields.get("query", "").encode()}


def finder(text: str = limited.POLICY, **options: Any) -> Callers:
    """Return what finds callers under a policy."""
    return Callers(limited.policy(text), ManualClock(wall_ns=limited.WALL_NS), **options)


async def reason_of(found: Callers, asked: dict[str, Any]) -> Reason:
    """Return why a caller is refused."""
    with pytest.raises(RefusedError) as caught:
        await client_of(found, asked)
    return caught.value.reason


async def client_of(found: Callers, asked: dict[str, Any]) -> Client:
    """Return who calls."""
    return found.client_of(asked) or await found.client_by_key(asked)


async def test_an_address_is_a_class_and_a_group() -> None:
    """GW-601: remembered; denied; none for it; a socket or a test's host name is local and free."""
    found = finder()
    client = await client_of(found, scope())
    assert client.caller.subject == "ip:anonymous:203.0.113.7/32"
    assert await client_of(found, scope()) is client
    assert await reason_of(found, scope("192.0.2.1")) is Reason.IP_DENIED
    assert await reason_of(found, scope("2001:db8::1")) is Reason.MISSING_CREDENTIALS
    for host in (None, "testclient"):
        assert (await client_of(found, scope(host))).caller.subject == "ip:local"


async def test_a_trusted_proxy_speaks_for_others() -> None:
    """GW-441: then nothing is remembered by the proxy's address; without trust its word is not heard."""
    text = limited.POLICY.replace(
        "[ip]\n", '[ip]\ntrusted_proxies = ["10.0.0.0/8"]\nforwarded = "x-forwarded-for"\n'
    )
    for host, expected in (("10.0.0.1", "198.51.100.4"), ("203.0.113.7", "203.0.113.7")):
        found = finder(text)
        for _ in range(2):
            client = await client_of(found, scope(host, x_forwarded_for="198.51.100.4"))
            assert client.caller.subject == f"ip:anonymous:{expected}/32"


async def test_addresses_are_forgotten_at_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-908: a million addresses do not fill memory."""
    monkeypatch.setattr(callers, "REMEMBERED", 3)
    found = finder()
    for last in range(10):
        await client_of(found, scope(f"203.0.113.{last}"))
    assert len(found._by_host) <= 3


async def test_the_application_s_own_authentication_decides() -> None:
    """GW-601: an account of a tier; None is anonymous; a tier that the policy lacks is refused; so is a denied address."""
    accounts = {"a": Account("acme", "free", "test", frozenset({"x"})), "b": Account("bad", "gone")}

    def asked(one: Any) -> Account | None:
        return accounts.get(dict(one["headers"]).get(b"x-user", b"").decode())

    found = finder(identify=asked)
    client = await client_of(found, scope(x_user="a"))
    assert (client.caller.subject, client.group.name, client.scopes) == (
        "acme:test",
        "free",
        frozenset({"x"}),
    )
    assert (await client_of(found, scope())).scopes is None
    assert await reason_of(found, scope(x_user="b")) is Reason.ACCOUNT_SUSPENDED
    assert await reason_of(found, scope("192.0.2.1", x_user="a")) is Reason.IP_DENIED


async def test_api_keys_are_the_gateway_s(tmp_path: Path) -> None:
    """GW-601: found in their fields, bound to addresses, refused with their reasons; without a key store not looked at."""
    store = KeyStore(SqliteKeys(tmp_path / "keys.db"), PEPPER)
    grant = Grant(Environment.LIVE, ("keyed:read",), cidrs=("203.0.113.0/24",))
    key, _ = store.create("acme", "free", grant, 1)
    found = finder(key_store=KeyFinder(store, ManualClock(wall_ns=limited.WALL_NS)))
    client = await client_of(found, scope(x_api_key=key))
    assert (client.caller.subject, client.scopes) == ("acme:live", frozenset({"keyed:read"}))
    assert (await client_of(found, scope(authorization=f"Bearer {key}"))).caller == client.caller
    assert (await client_of(found, scope(query="a=b"))).scopes is None
    assert (await client_of(found, scope(query="a=b_c"))).scopes is None
    assert await reason_of(found, scope(query=f"key={key}")) is Reason.KEY_IN_QUERY
    assert await reason_of(found, scope("198.51.100.1", x_api_key=key)) is Reason.KEY_NOT_ALLOWED_HERE
    assert await reason_of(found, scope(None, x_api_key=key)) is Reason.KEY_NOT_ALLOWED_HERE
    assert await reason_of(found, scope(x_api_key="nonsense")) is Reason.INVALID_KEY
    wrong = key[:8] + "0123456789ABCDEFGHIJKLMNOPQRSTUVWX0mnbB4"
    assert await reason_of(found, scope(x_api_key=wrong)) is Reason.INVALID_KEY
    unknown, _ = KeyStore(SqliteKeys(tmp_path / "other.db"), PEPPER).create(
        "other", "free", Grant(Environment.LIVE, ()), 1
    )
    assert await reason_of(found, scope(x_api_key=unknown)) is Reason.INVALID_KEY
    store.close()
    assert (
        await client_of(finder(), scope(x_api_key="nonsense", authorization="Bearer other"))
    ).scopes is None


async def test_a_key_store_that_is_gone_is_our_failure() -> None:
    """GW-507: 503, not 401."""

    class Gone:
        async def find(self, key: str) -> None:
            raise UnavailableError(f"planted for {len(key)} characters")

    key = "vt_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWX0mnbB4"
    assert await reason_of(finder(key_store=Gone()), scope(x_api_key=key)) is Reason.IDENTITY_UNAVAILABLE
