"""The decision API over a whole gateway."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests import deciding
from tests.servers.gateway_world import World

from veritape.gateway.adapters.decision_api import DecisionApi
from veritape.gateway.adapters.decision_desk import Desk
from veritape.gateway.decision_calls import Reset
from veritape.gateway.degradation import StoreState
from veritape.gateway.keys import KeyRecord
from veritape.gateway.quota import LimitName
from veritape.kernel.errors import UnavailableError

CHECK, STATUS, RESET = (f"/api/v1/rate-limit/{name}" for name in ("check", "status", "reset"))
TRADES = {"endpoint": "/v1/trades", "method": "GET"}


class Caller:
    """A gateway, its decision API, and who asks."""

    def __init__(self, folder: Path) -> None:
        self.world: World = deciding.world(folder)
        self.audited: list[tuple[str, Reset]] = []
        self.desk: Desk = deciding.desk(self.world)
        self.key = deciding.key(self.world, "decide", "admin:quota", account="edge", tier="partner")
        transport = httpx.ASGITransport(DecisionApi(self.desk, self._note), client=("127.0.0.1", 1))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://decide")

    def _note(self, caller: KeyRecord, reset: Reset) -> None:
        self.audited.append((caller.account, reset))

    async def check(self, query: str = "", **members: Any) -> httpx.Response:
        """Check."""
        return await self.post(f"{CHECK}{query}", **members)

    async def post(self, path: str, **members: Any) -> httpx.Response:
        """Call with our key."""
        return await self.client.post(path, json=members, headers={"Authorization": f"Bearer {self.key}"})

    async def status(self, query: str = "", key: str = "") -> httpx.Response:
        """Ask for a status."""
        headers = {"Authorization": f"Bearer {self.key}"} | ({"X-API-Key": key} if key else {})
        return await self.client.get(f"{STATUS}{query}", headers=headers)


@pytest.fixture
async def caller(tmp_path: Path) -> AsyncIterator[Caller]:
    """Return somebody who asks."""
    made = Caller(tmp_path)
    yield made
    await made.client.aclose()
    made.world.close()


async def test_a_check_charges_and_a_denial_does_not(caller: Caller) -> None:
    """GW-621: allowed until the burst is used, then 429 with error and Retry-After, or 200 with soft=1; the ledger has each charge."""
    deciding.key(caller.world)
    first = await caller.check(account="acme", **TRADES)
    assert first.status_code == 200
    assert first.json() == {
        "allowed": True, "quota_tier": "free", "limit": 100, "remaining": 149, "reset_at": 1_795_187_046,
        "monthly_remaining": 49_999, "cost": "1",
    }  # fmt: skip
    assert first.headers["ratelimit"].startswith('"minute";r=149')
    looked = await caller.check(account="acme", dry_run=True, **TRADES)
    assert (looked.json()["allowed"], looked.json()["remaining"]) == (True, 148)
    for _ in range(149):
        assert (await caller.check(account="acme", **TRADES)).status_code == 200
    denied = await caller.check(account="acme", **TRADES)
    assert (denied.status_code, denied.json()["error"], denied.headers["retry-after"]) == (
        429,
        "rate_limited",
        "1",
    )
    soft = await caller.check("?soft=1", account="acme", **TRADES)
    assert (soft.status_code, soft.json()["allowed"]) == (200, False)
    assert not (await caller.check("?soft=1", account="acme", dry_run=True, **TRADES)).json()["allowed"]
    assert (await caller.check(account="acme", environment="test", **TRADES)).json()["remaining"] == 149
    assert caller.world.ledger.month_sums("2026-11")["acme:live"] == 150_000


async def test_whom_a_check_asks_about(caller: Caller) -> None:
    """GW-621, GW-622: a key, an account or an address; an unknown one is an answer, not a failure of the caller."""
    key = deciding.key(caller.world)
    assert (await caller.check(api_key=key, **TRADES)).json()["remaining"] == 149
    wrong = await caller.check(api_key="vt_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWX0mnbB4", **TRADES)
    assert (wrong.status_code, wrong.json()) == (401, {"allowed": False, "error": "invalid_key"})
    assert (await caller.check(api_key="nonsense", **TRADES)).json()["error"] == "invalid_key"
    assert (await caller.check("?soft=1", api_key="nonsense", **TRADES)).status_code == 200
    narrow = deciding.key(caller.world, "bars:read")
    assert (await caller.check(api_key=narrow, **TRADES)).json()["error"] == "missing_scope"
    assert (await caller.check(account="nobody", **TRADES)).json()["error"] == "not_found"
    assert (await caller.check(client_ip="203.0.113.9", **TRADES)).json()["error"] == "missing_credentials"
    identify = {"endpoint": "/identify", "method": "POST"}
    assert (await caller.check(client_ip="203.0.113.9", **identify)).json()["quota_tier"] == "anonymous"
    batch = {"endpoint": "/batch", "method": "POST"}
    assert (await caller.check(account="acme", items=40, **batch)).json()["cost"] == "40"
    free = {"endpoint": "/api/v1/fingerprint/health", "method": "GET"}
    assert (await caller.check(account="acme", **free)).json()["cost"] == "0"
    assert (await caller.check(account="acme", endpoint="/nowhere")).json()["reason"] == "no_route"
    assert (await caller.check(account="acme", endpoint="//a")).json()["reason"] == "no_route"


async def test_a_status_charges_nothing_and_takes_no_key_from_the_query(caller: Caller) -> None:
    """GW-621: by account, or by the key in X-API-Key beside the caller's own; ?api_key= is 400."""
    key = deciding.key(caller.world)
    await caller.check(account="acme", **TRADES)
    for answer in (
        await caller.status("?account=acme"),
        await caller.status(key=key),
        await caller.status("?account=acme"),
    ):
        assert (answer.status_code, answer.json()["remaining"], answer.json()["cost"]) == (200, 149, "0")
    assert (await caller.status("?account=acme&environment=test")).json()["remaining"] == 150
    assert (await caller.status(f"?api_key={key}")).json()["reason"] == "key_in_query"
    for query in ("?api_key=x", "", "?account=a&account=b", "?account=acme&environment=prod"):
        assert (await caller.status(query)).status_code == 400
    assert (await caller.status("?account=acme", key)).status_code == 400
    assert (await caller.status("?account=nobody")).status_code == 404


async def test_a_reset_forgives_and_is_audited(caller: Caller) -> None:
    """GW-621, GW-212: 204; one bucket or both; the month stays; it needs a scope of its own."""
    deciding.key(caller.world)
    for _ in range(3):
        await caller.check(account="acme", **TRADES)
    answer = await caller.post(RESET, account="acme", limit="minute")
    assert (answer.status_code, answer.content) == (204, b"")
    fields = (await caller.status("?account=acme")).headers["ratelimit"]
    assert '"minute";r=150' in fields
    assert '"hour";r=2997' in fields
    assert '"month";r=49997' in fields
    await caller.post(RESET, account="acme", limit="hour")
    assert '"hour";r=3000' in (await caller.status("?account=acme")).headers["ratelimit"]
    await caller.post(RESET, account="acme")
    assert [(who, reset.limit) for who, reset in caller.audited] == [
        ("edge", LimitName.MINUTE), ("edge", LimitName.HOUR), ("edge", None)
    ]  # fmt: skip
    assert (await caller.post(RESET, account="nobody")).status_code == 404
    caller.key = deciding.key(caller.world, "decide", account="other")
    assert (await caller.post(RESET, account="acme")).json()["reason"] == "missing_scope"


async def test_only_callers_with_the_scope_are_answered(caller: Caller) -> None:
    """GW-621, GW-622: 401 and 403 are about the caller; health says store and policy."""
    assert (await caller.client.post(CHECK, json={})).json()["reason"] == "missing_credentials"
    asked = await caller.client.post(CHECK, json={}, headers={"X-API-Key": "nonsense"})
    assert (asked.status_code, asked.headers["www-authenticate"]) == (401, 'Bearer realm="veritape"')
    caller.key = deciding.key(caller.world)
    assert (await caller.check(account="acme", **TRADES)).json()["reason"] == "missing_scope"
    health = await caller.client.get("/api/v1/health")
    assert health.json() == {"quota": StoreState.HEALTHY.value, "policy_version": 7}
    assert (await caller.client.post("/api/v1/health")).headers["allow"] == "GET"
    assert (await caller.client.get("/other")).json()["reason"] == "no_route"
    assert (await caller.client.get(CHECK)).status_code == 405


async def test_half_of_a_call_is_never_acted_upon(caller: Caller) -> None:
    """GW-622, GW-901: a body that is whole JSON but shorter than announced, because its client left."""
    messages: Iterator[dict[str, Any]] = iter(
        [
            {"type": "http.request", "body": b'{"account":"edge"}', "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(_: object) -> None:
        raise AssertionError

    scope = {
        "type": "http", "method": "POST", "path": RESET, "query_string": b"", "client": ("127.0.0.1", 1),
        "headers": [(b"authorization", f"Bearer {caller.key}".encode())],
    }  # fmt: skip
    await DecisionApi(caller.desk, caller._note)(scope, receive, send)
    assert caller.audited == []


async def test_a_long_body_is_not_read(caller: Caller) -> None:
    """GW-622: 413 above 16 KiB, in pieces too."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 1_024

    answer = await caller.client.post(
        CHECK, content=pieces(), headers={"Authorization": f"Bearer {caller.key}"}
    )
    assert answer.json()["reason"] == "body_too_large"


async def test_what_is_away_is_503(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-621: a store, a key store or a ledger that does not answer is our failure."""
    deciding.key(caller.world)

    async def away(*_: object) -> None:
        raise UnavailableError("planted")

    def full(*_: object) -> None:
        raise UnavailableError("planted")

    await caller.status("?account=acme")
    for place, name, planted in (
        (caller.world.usage, "_write", full),
        (caller.world.gate.store, "judge", away),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(place, name, planted)
            answer = await caller.check(account="acme", **TRADES)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    for name in ("status", "reset"):
        with monkeypatch.context() as patched:
            patched.setattr(caller.world.gate.store, name, away)
            answer = await (
                caller.status("?account=acme") if name == "status" else caller.post(RESET, account="acme")
            )
            assert answer.json()["reason"] == "quota_unavailable"
    with monkeypatch.context() as patched:
        patched.setattr(caller.world.finder, "find_account", away)
        assert (await caller.check(account="acme", **TRADES)).json()["reason"] == "identity_unavailable"
    with monkeypatch.context() as patched:
        patched.setattr(caller.world.finder, "find", away)
        assert (await caller.check(account="acme", **TRADES)).json()["reason"] == "identity_unavailable"


async def test_a_proxy_asks_over_http(caller: Caller) -> None:
    """GW-612: any method below /authz; 200 with the fields to add, or the gateway's own denial."""
    key = {"X-API-Key": deciding.key(caller.world)}
    answer = await caller.client.get("/authz/v1/trades?symbol=x", headers=key)
    assert (answer.status_code, answer.headers["x-request-cost"]) == (200, "1")
    assert answer.headers["ratelimit"].startswith('"minute";r=149')
    assert "concurrency" not in answer.headers["ratelimit"]
    missing = await caller.client.get("/authz/v1/trades")
    assert (missing.status_code, missing.headers["www-authenticate"]) == (401, 'Bearer realm="veritape"')
    assert (await caller.client.post("/authz/v1/verify", headers=key)).headers["x-request-cost"] == "5"
    assert (await caller.client.get("/authz/nowhere", headers=key)).json()["reason"] == "no_route"
    assert (await caller.client.get("/authz//v1/trades", headers=key)).json()["reason"] == "no_route"
    free = await caller.client.get("/authz/api/v1/fingerprint/health")
    assert (free.status_code, "ratelimit" in free.headers) == (200, False)
    for _ in range(144):
        await caller.client.get("/authz/v1/trades", headers=key)
    denied = await caller.client.get("/authz/v1/trades", headers=key)
    assert (denied.status_code, denied.json()["reason"], denied.headers["retry-after"]) == (
        429,
        "rate_limited",
        "1",
    )
