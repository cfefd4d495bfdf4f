"""The OpenAPI document is made from policy and route table."""

import json
from pathlib import Path
from typing import Any

from tests.servers.gateway_world import World, unguarded
from tests.tokens import ISSUER

from veritape.gateway.adapters.policy_file import shipped_policy


def document(folder: Path) -> dict[str, Any]:
    world = World(folder)
    world.close()
    found: dict[str, Any] = json.loads(world.gateway.table.openapi)
    return found


def test_every_route_parameter_status_and_scope_is_described(tmp_path: Path) -> None:
    """GW-743: OpenAPI 3.1 with routes, parameters, statuses, rate headers and scopes."""
    api = document(tmp_path)
    assert api["openapi"] == "3.1.0"
    assert list(api["paths"]) == [
        "/health", "/ready", "/v1/trades", "/v1/bars", "/v1/completeness", "/v1/receipts", "/v1/receipts/{rest}",
    ]  # fmt: skip
    trades = api["paths"]["/v1/trades"]["get"]
    assert [parameter["name"] for parameter in trades["parameters"]] == [
        "symbol",
        "day",
        "from",
        "to",
        "limit",
        "cursor",
        "include",
    ]
    assert "trades:read" in trades["description"]
    assert {
        "200",
        "304",
        "400",
        "401",
        "403",
        "404",
        "405",
        "408",
        "413",
        "414",
        "417",
        "429",
        "431",
        "500",
        "503",
    } == set(trades["responses"])
    assert "RateLimit" in trades["responses"]["200"]["headers"]
    assert api["paths"]["/v1/receipts/{rest}"]["get"]["parameters"][0]["in"] == "path"


def test_tokens_are_told_of_where_an_issuer_is_believed(tmp_path: Path) -> None:
    """GW-743, GW-406, GW-431: a key in its header, or as bearer; a token of the issuers that the policy names."""
    schemes = document(tmp_path)["components"]["securitySchemes"]
    assert schemes["key"] == {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    assert schemes["bearer"] == {"type": "http", "scheme": "bearer", "description": "The same key."}
    issuer = f'[jwt]\nissuer = [{{ issuer = "{ISSUER}", audience = "a", algorithm = "HS256", secret_env = "S" }}]\n'
    (tmp_path / "b").mkdir()
    world = World(tmp_path / "b", unguarded(shipped_policy()) + issuer.encode())
    world.close()
    told = json.loads(world.gateway.table.openapi)["components"]["securitySchemes"]["bearer"]
    assert (told["bearerFormat"], told["description"]) == ("JWT", f"A token of {ISSUER}, or a key.")


def test_an_anonymous_route_says_so(tmp_path: Path) -> None:
    world = World(tmp_path)
    routes = tuple(route._replace(anonymous=True) for route in world.gate.policy.routes)
    world.gateway.swap(world.gate.policy._replace(routes=routes))
    world.close()
    api = json.loads(world.gateway.table.openapi)
    assert api["paths"]["/v1/trades"]["get"]["security"] == [
        {},
        {"key": ["trades:read"]},
        {"bearer": ["trades:read"]},
    ]
