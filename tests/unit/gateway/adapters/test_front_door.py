"""The gateway's door."""

from pathlib import Path

import pytest
from tests.servers.gateway_world import World

from veritape.gateway.adapters.front_door import FrontDoor, OpenDoor
from veritape.gateway.adapters.gate import peer_address
from veritape.gateway.adapters.policy_file import shipped_policy
from veritape.gateway.doors import PER_GROUP
from veritape.gateway.problems import RefusedError
from veritape.gateway.reasons import Reason


async def test_a_refusal_of_bytes_is_counted_and_logged(tmp_path: Path) -> None:
    """GW-551, GW-503, GW-444: it has an id, a log record, and counts against the address."""
    world = World(tmp_path, shipped_policy())
    answer = FrontDoor(world.gateway).refuse(RefusedError(Reason.BAD_REQUEST), "192.0.2.1")
    assert answer.status == 400
    record = world.log[-1]
    assert (record.route, record.status, record.reason) == ("none", 400, "bad_request")
    assert ("X-Request-Id", record.request_id) in answer.fields
    for _ in range(30):
        FrontDoor(world.gateway).refuse(RefusedError(Reason.BAD_REQUEST), "192.0.2.1")
    with pytest.raises(RefusedError) as refusal:
        world.gate.bar(world.gate.visit("id", peer_address("192.0.2.1"), []))
    assert refusal.value.reason is Reason.TOO_MANY_FAILURES
    world.close()


async def test_connections_of_an_address_are_bounded(world: World) -> None:
    """GW-553: 200 of one address group; on a unix socket there is no address."""
    door = FrontDoor(world.gateway)
    assert {door.enter("192.0.2.1") for _ in range(PER_GROUP)} == {"192.0.2.1/32"}
    assert door.enter("192.0.2.1") is None
    door.leave("192.0.2.1/32")
    assert door.enter("192.0.2.1") == "192.0.2.1/32"
    assert door.enter(None) == ""


def test_an_operator_s_listener_is_open() -> None:
    """GW-507: the same problem documents, nothing counted."""
    door = OpenDoor()
    assert (door.enter("a"), door.enter(None)) == ("a", "")
    door.leave("a")
    assert door.refuse(RefusedError(Reason.REQUEST_TIMEOUT), "a").status == 408
