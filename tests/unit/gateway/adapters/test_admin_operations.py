"""What the admin API's operations do."""

from pathlib import Path

import pytest
from tests.admin_world import AdminTest
from tests.servers.gateway_world import TRADES, World
from tests.usage_events import event

from veritape.gateway.adapters.retiring import Retiring
from veritape.gateway.adapters.usage_reader import sqlite_usage
from veritape.telemetry.adapters.audit_files import verify_files


@pytest.fixture
def api(world: World, tmp_path: Path) -> AdminTest:
    return AdminTest(tmp_path, world)


async def made(api: AdminTest, tier: str = "pro", account: str = "acme") -> str:
    """Make an account and a key of it."""
    answer = await api.call("POST", "/accounts", {"id": account, "tier": tier})
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    key = await api.call("POST", f"/accounts/{account}/keys", {"label": "desk", "expires_s": 3_600})
    assert key.status_code == 201
    return str(key.json()["key"])


async def served(api: AdminTest, key: str, times: int) -> list[int]:
    await api.world.finder.follow()
    async with api.world.client() as client:
        return [(await client.get(TRADES, headers={"X-API-Key": key})).status_code for _ in range(times)]


async def test_accounts_in_pages(api: AdminTest) -> None:
    """GW-702: lists by cursor, at most as many items as asked for."""
    for number in range(5):
        await api.call("POST", "/accounts", {"id": f"a{number}", "tier": "free"})
    first = (await api.call("GET", "/accounts?limit=3")).json()
    assert [item["id"] for item in first["items"]] == ["a0", "a1", "a2"]
    rest = (await api.call("GET", f"/accounts?limit=3&cursor={first['next']}")).json()
    assert ([item["id"] for item in rest["items"]], rest["next"]) == (["a3", "a4"], None)
    again = await api.call("POST", "/accounts", {"id": "a0", "tier": "free"})
    assert (again.status_code, again.json()["reason"]) == (422, "invalid_body")


async def test_a_change_needs_the_present_revision(api: AdminTest) -> None:
    """GW-702: without If-Match 428, with an old revision 412, with the present one the next revision."""
    await made(api)
    change = {"suspended": True}
    assert (await api.call("PATCH", "/accounts/acme", change)).json()["reason"] == "revision_required"
    assert (await api.call("PATCH", "/accounts/acme", change, If_Match='"1"')).status_code == 200
    stale = await api.call("PATCH", "/accounts/acme", change, If_Match='"1"')
    assert (stale.status_code, stale.json()["reason"]) == (412, "revision_changed")
    found = await api.call("GET", "/accounts/acme")
    assert (found.json()["suspended"], found.headers["ETag"]) == (True, '"2"')
    record = next(one for one in api.audit() if one["detail"].get("before"))
    assert (record["detail"]["before"]["suspended"], record["detail"]["after"]["suspended"]) == (False, True)


async def test_keys_are_shown_once_rotated_and_revoked(api: AdminTest) -> None:
    """GW-702, GW-704: a key stands in one answer, never in a list or in the audit log; a revoked one serves no more."""
    key = await made(api)
    assert await served(api, key, 1) == [200]
    listed = (await api.call("GET", "/accounts/acme/keys")).json()["items"]
    assert [(item["shown"], item["state"], item["label"]) for item in listed] == [
        (key[:14], "active", "desk")
    ]
    rotated = (await api.call("POST", f"/keys/{listed[0]['id']}/rotate", {"overlap_s": 0})).json()
    assert await served(api, rotated["key"], 1) == [200]
    await api.call("POST", f"/keys/{rotated['id']}/revoke", {"reason": "leaked"})
    assert await served(api, rotated["key"], 1) == [401]
    kinds = [record["kind"] for record in api.audit()]
    assert kinds == ["account_changed", "key_created", "key_rotated", "key_revoked"]
    text = "".join(path.read_text() for path in (api.folder / "audit").glob("*.jsonl"))
    assert key not in text
    assert rotated["key"] not in text
    assert api.audit()[-1]["actor"] == "admin:bootstrap"


async def test_without_an_audit_log_nothing_changes(api: AdminTest) -> None:
    """GW-704: what cannot be recorded is not done, and says so."""
    await made(api)
    log = next((api.folder / "audit").glob("*.jsonl"))
    log.write_bytes(log.read_bytes()[:-10] + b'planted"}\n')
    for method, path, body, fields in (
        ("POST", "/accounts", {"id": "bolt", "tier": "free"}, {}),
        ("PATCH", "/accounts/acme", {"suspended": True}, {"If_Match": "1"}),
        ("POST", "/accounts/acme/keys", {}, {}),
        ("POST", "/accounts/acme/credit", {"units": 1, "reason": "x"}, {}),
        ("POST", "/accounts/acme/reset", {}, {}),
    ):
        assert (await api.call(method, path, body, **fields)).status_code == 503
    assert [one["id"] for one in (await api.call("GET", "/accounts")).json()["items"]] == ["acme"]
    assert len((await api.call("GET", "/accounts/acme/keys")).json()["items"]) == 1
    assert (await api.call("GET", "/accounts/acme")).json()["suspended"] is False


async def test_a_smaller_tier_clamps_once(api: AdminTest) -> None:
    """GW-211: Pro 900 owed, then Free: 0 left, the next unit after 600 ms; nothing of it is forgiven before."""
    key = await made(api)
    assert set(await served(api, key, 900)) == {200}
    await api.call("PATCH", "/accounts/acme", {"tier": "free"}, If_Match="1")
    assert await served(api, key, 1) == [429]
    api.world.clock.advance_ns(599_999_000)
    assert await served(api, key, 1) == [429]
    api.world.clock.advance_ns(1_000)
    assert await served(api, key, 2) == [200, 429]


async def test_a_larger_tier_keeps_what_is_owed(api: AdminTest) -> None:
    """GW-211: Free 140 owed, then Pro: 1,360 left at once."""
    key = await made(api, "free")
    await served(api, key, 140)
    await api.call("PATCH", "/accounts/acme", {"tier": "pro"}, If_Match="1")
    await api.world.finder.follow()
    async with api.world.client() as client:
        answer = await client.get(TRADES, headers={"X-API-Key": key})
    assert '"minute";r=1359' in answer.headers["RateLimit"]


async def test_a_reset_forgives_the_buckets_and_not_the_month(api: AdminTest) -> None:
    """GW-212: an empty bucket is full again, the month stays, the record has what was owed."""
    key = await made(api, "free")
    assert await served(api, key, 151) == [200] * 150 + [429]
    assert (await api.call("POST", "/accounts/acme/reset", {"reason": "sorry"})).status_code == 200
    assert await served(api, key, 1) == [200]
    assert sum(api.world.memory.months.values()) == 151_000
    record = api.audit()[-1]
    assert (record["kind"], record["detail"]["before"]["minute"]) == ("quota_reset", 90_000_000)


async def test_keys_are_made_under_the_present_pepper(api: AdminTest) -> None:
    """GW-403: a pepper that changed while the gateway runs; the old one may end without ending keys made since."""
    new, old = b"n" * 32, api.world.keys.peppers[0]
    await made(api)
    api.peppers = (new, old)
    made_now = (await api.call("POST", "/accounts/acme/keys", {})).json()
    rotated = (await api.call("POST", f"/keys/{made_now['id']}/rotate", {})).json()
    api.world.keys.peppers = (new,)
    assert [api.world.keys.find(one["key"]) is not None for one in (made_now, rotated)] == [True, True]
    assert api.world.keys.count_under(old, api.world.gate.wall_us()) == 1


async def test_a_month_whose_events_went_is_refused(api: AdminTest) -> None:
    """GW-684, GW-702: no figures that look like nothing was used, and no credit to a month that is closed for ever."""
    await made(api)
    api.world.ledger.write([event(1, period="2025-09", at_us=1)])
    Retiring(api.world.ledger, 400, lambda _: None, api.world.clock, lambda _: None).retire()
    body = {"units": 1, "reason": "x", "period": "2025-09"}
    for asked in (
        api.call("GET", "/accounts/acme/usage?period=2025-09"),
        api.call("POST", "/accounts/acme/credit", body),
    ):
        answer = await asked
        assert (answer.status_code, answer.json()["reason"]) == (400, "bad_parameter")
        assert "of 2025-09 were deleted because of their age" in answer.json()["detail"]
    assert (await api.call("POST", "/accounts/acme/credit", body | {"period": "2025-10"})).status_code == 201


async def test_a_credit_is_an_event_and_lowers_the_month(api: AdminTest) -> None:
    """GW-212, GW-651: the counter falls, the ledger has the event, buckets stay."""
    key = await made(api, "free")
    await served(api, key, 3)
    answer = await api.call("POST", "/accounts/acme/credit", {"units": 2, "reason": "outage of the 3rd"})
    assert answer.status_code == 201
    assert sum(api.world.memory.months.values()) == 1_000
    usage = (await api.call("GET", "/accounts/acme/usage")).json()
    assert {item["route"]: (item["units"], item["credited"]) for item in usage["items"]} == {
        "": ("0", "2"), "trades": ("3", "0"),
    }  # fmt: skip
    with sqlite_usage(api.folder / "usage.db") as reader:
        assert reader.differences("2026-11") == []
        last = list(reader.events("2026-11", "acme"))[-1]
    assert (last.kind, last.units_mu, last.reason) == ("credit", -2_000, "outage of the 3rd")
    assert api.audit()[-1]["kind"] == "usage_credited"


async def test_the_state_says_where_decisions_come_from(api: AdminTest) -> None:
    """GW-702, GW-341: state, policy, overload, dropped lines."""
    state = (await api.call("GET", "/state")).json()
    assert (state["quota"], state["store"], state["workers"]) == ("healthy", "memory", 1)
    assert (state["policy"]["version"], len(state["policy"]["sha256"])) == (7, 64)
    assert (state["overload_level"], state["in_flight_room"], state["access_lines_dropped"]) == (0, 1_799, 3)


async def test_the_policy_is_read_again(api: AdminTest) -> None:
    """GW-104, GW-702: the shipped policy has no file, so nothing changes; the asking is recorded."""
    answer = await api.call("POST", "/policy/reload")
    assert answer.json() == {"result": "unchanged", "version": 7, "errors": []}
    assert api.audit()[-1]["kind"] == "policy_applied"


async def test_the_audit_log_in_pages_and_a_planted_edit(api: AdminTest) -> None:
    """GW-704, GW-977: records oldest first; the chain is whole until a byte is changed."""
    for number in range(3):
        await api.call("POST", "/accounts", {"id": f"a{number}", "tier": "free"})
    first = (await api.call("GET", "/audit?limit=2&verify=1")).json()
    assert [item["seq"] for item in first["items"]] == [1, 2]
    assert first["chain"]["whole"] is True
    assert first["chain"]["records"] == verify_files(api.folder).seq == 3
    rest = (await api.call("GET", f"/audit?limit=2&cursor={first['next']}")).json()
    assert ([item["seq"] for item in rest["items"]], "chain" in rest) == ([3], False)
    log = next((api.folder / "audit").glob("*.jsonl"))
    log.write_bytes(log.read_bytes().replace(b'"account:a1"', b'"account:b1"'))
    found = (await api.call("GET", "/audit?verify=1")).json()["chain"]
    assert found["whole"] is False
    assert "line 2" in found["detail"]
