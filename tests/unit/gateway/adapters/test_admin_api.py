"""The admin API: who may call, what is refused, what is recorded."""

import json
from pathlib import Path

import pytest
from tests.admin_world import TOKEN, AdminTest
from tests.servers.gateway_world import World

from veritape.gateway import admin
from veritape.gateway.adapters.admin_operations import OPERATIONS
from veritape.gateway.admin import AdminScope


@pytest.fixture
def api(world: World, tmp_path: Path) -> AdminTest:
    return AdminTest(tmp_path, world)


def filled(path: str) -> str:
    return path.replace("{id}", "acme")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")
async def test_every_operation_needs_its_scope(api: AdminTest, operation: object) -> None:
    """GW-701, GW-977: a key with every other scope is 403 ``missing_scope``, and the attempt is in the audit log."""
    one = next(found for found in OPERATIONS if found is operation)
    others = [scope for scope in admin.SCOPES if scope != one.scope]
    refused = await api.call(one.method, filled(one.path), credential=api.key(*others))
    assert (refused.status_code, refused.json()["reason"]) == (403, "missing_scope")
    record = api.audit()[-1]
    assert (record["kind"], record["detail"]["reason"]) == ("admin_denied", "missing_scope")
    allowed = await api.call(one.method, filled(one.path), credential=api.key(one.scope))
    assert allowed.status_code not in {401, 403}


@pytest.mark.parametrize("credential", ["", "wrong", "vt_live_" + "0" * 40])
async def test_without_a_credential_nothing_is_said(api: AdminTest, credential: str) -> None:
    """GW-701, GW-977: 401 with the challenge, recorded; a revoked key and one of a public scope too."""
    answer = await api.call("GET", "/accounts", credential=credential)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="veritape"')
    assert api.audit()[-1]["kind"] == "admin_denied"
    api.world.keys.revoke(api.world.new_key()[1].id, "", 1)
    public = await api.call("GET", "/accounts", credential=api.world.key(account="bolt"))
    assert public.status_code == 403


async def test_the_public_port_has_no_admin(api: AdminTest) -> None:
    """GW-701, GW-977: ``/admin`` there is 404, with an administrator's key too."""
    async with api.world.client() as client:
        answer = await client.get("/admin/v1/accounts", headers={"X-API-Key": api.key(*admin.SCOPES)})
    assert (answer.status_code, answer.json()["reason"]) == (404, "no_route")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "reason"),
    [
        ("GET", "/none", None, 404, "no_route"),
        ("DELETE", "/accounts", None, 405, "method_not_allowed"),
        ("POST", "/accounts", b"{", 400, "bad_json"),
        ("POST", "/accounts", b'{"id":"a","id":"b"}', 400, "bad_json"),
        ("POST", "/accounts", b"[" * 100_000, 413, "body_too_large"),
        ("POST", "/accounts", [], 422, "invalid_body"),
        ("POST", "/accounts", {"id": "a"}, 422, "invalid_body"),
        ("POST", "/accounts", {"id": "a", "tier": "gold"}, 422, "invalid_body"),
        ("POST", "/accounts", {"id": "a/b", "tier": "free"}, 422, "invalid_body"),
        ("POST", "/accounts", {"id": "a", "tier": "free", "limits": {"minute": {}}}, 422, "invalid_body"),
        ("POST", "/accounts", {"id": "a", "tier": "free", "planted": 1}, 422, "invalid_body"),
        ("GET", "/accounts?limit=201", None, 400, "bad_parameter"),
        ("GET", "/accounts?limit=1&limit=2", None, 400, "bad_parameter"),
        ("GET", "/accounts?planted=1", None, 400, "bad_parameter"),
        ("GET", "/accounts/nobody", None, 404, "not_found"),
        ("GET", "/accounts/nobody/usage", None, 404, "not_found"),
        ("POST", "/keys/nobody/revoke", None, 404, "not_found"),
        ("GET", "/audit?verify=2", None, 400, "bad_parameter"),
        ("GET", "/accounts?x=vt_live_" + "0" * 40, None, 400, "key_in_query"),
    ],
)
async def test_what_is_wrong_is_named(
    api: AdminTest, method: str, path: str, body: object, status: int, reason: str
) -> None:
    """GW-702: strict bodies and parameters; problem documents; a change that is refused is in the audit log."""
    answer = await api.call(method, path, body)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert answer.headers["Content-Type"] == "application/problem+json"
    if method != "GET":
        assert api.audit()[-1]["detail"] == {
            "method": method, "reason": reason, "request_id": answer.headers["X-Request-Id"],
        }  # fmt: skip


async def test_two_credentials_are_ambiguous(api: AdminTest) -> None:
    """GW-701: exactly one credential."""
    answer = await api.call("GET", "/state", X_API_Key=TOKEN.decode())
    assert answer.json()["reason"] == "ambiguous_credentials"


async def test_the_document_says_which_scopes_there_are(api: AdminTest) -> None:
    """GW-701, GW-772: four scopes, each used; the time of each call is told."""
    assert {operation.scope for operation in OPERATIONS} == set(AdminScope)
    await api.call("GET", "/state")
    assert len(api.seconds) == 1
    assert json.dumps(admin.SCOPES) == '["admin:keys", "admin:quota", "admin:policy", "admin:read"]'
