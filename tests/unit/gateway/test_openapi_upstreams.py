"""Routes of upstreams in the OpenAPI document."""

import json
from pathlib import Path

from tests.servers.gateway_world import World
from tests.upstream import policy_text

from veritape.gateway.openapi_upstreams import operations
from veritape.gateway.policy_reader import read_policy
from veritape.gateway.upstreams import CountRule

BATCH = """body_max_kib = 8
[routes.batch]
path = "/batch/{kind}"
methods = ["POST"]
upstream = "back"
cost = "0.5"
scope = "batch:write"
cost_per = { pointer = "/data/items", max_items = 50 }
"""
POLICY = policy_text("http://127.0.0.1:1", route=BATCH)


def test_every_path_and_method_of_a_policy_is_described(tmp_path: Path) -> None:
    """GW-743: routes of upstreams beside the built-in ones, each operation under a name of its own."""
    world = World(tmp_path, POLICY)
    world.gateway.upstreams.close()
    world.close()
    api = json.loads(world.gateway.table.openapi)
    names = {
        (path, method): operation["operationId"]
        for path, methods in api["paths"].items()
        for method, operation in methods.items()
    }
    assert names == {
        ("/health", "get"): "health", ("/ready", "get"): "ready", ("/echo", "get"): "echo_get", ("/echo", "post"): "echo_post",
        ("/echo/{rest}", "get"): "echo_get_2", ("/echo/{rest}", "post"): "echo_post_2", ("/batch/{kind}", "post"): "batch",
    }  # fmt: skip
    page = world.gateway.table.docs.decode()
    assert "POST /batch/{kind}" in page
    assert "Served by the upstream back." in page


def test_a_counted_body_and_what_the_gateway_says_of_it() -> None:
    """GW-743, GW-144: its list, cost, scope and refusals; what the upstream answers is its own."""
    echo, batch = read_policy(POLICY, "f").routes
    made = operations(batch, "/batch/{kind}")["post"]
    assert made["description"] == "Scope batch:write. Costs 0.5 units an item."
    assert [one["name"] for one in made["parameters"]] == ["kind"]
    items = {"type": "array", "minItems": 1, "maxItems": 50}
    inner = {"type": "object", "required": ["items"], "properties": {"items": items}}
    whole = {"type": "object", "required": ["data"], "properties": {"data": inner}}
    assert made["requestBody"] == {"required": True, "content": {"application/json": {"schema": whole}}}
    assert "batch_too_large" in made["responses"]["422"]["description"]
    assert "upstream_timeout" in made["responses"]["504"]["description"]
    assert set(made["responses"]["default"]) == {"description", "headers"}
    get, post = (operations(echo, "/echo")[method] for method in ("get", "post"))
    assert "requestBody" not in get
    assert post["requestBody"] == {"description": "Of any type, at most 8 KiB.", "content": {"*/*": {}}}
    assert "422" not in post["responses"]
    assert "bad_parameter" not in post["responses"]["400"]["description"]


def test_a_place_within_a_list_is_left_open() -> None:
    """GW-743: a pointer may lead through a list or an object: the schema says no more than is sure."""
    _, batch = read_policy(POLICY, "f").routes
    open_route = batch._replace(counted=CountRule(("0", "items"), 9, per_call=True))
    made = operations(open_route, "/batch/{kind}")["post"]
    assert made["requestBody"]["content"]["application/json"]["schema"] == {}
    assert made["description"].endswith("Costs 0.5 units.")
