"""What the admin status says of an outage."""

from pathlib import Path

import pytest
from tests.admin_world import AdminTest
from tests.servers.gateway_world import World

from veritape.gateway.adapters.admin_state import state_document
from veritape.gateway.policy import StoreSettings


@pytest.mark.parametrize(("kind", "bounds"), [("memory", {}), ("redis", {"free": 150, "pro": 1_500})])
def test_the_bound_in_force(world: World, tmp_path: Path, kind: str, bounds: dict[str, int]) -> None:
    """GW-344: with every worker cut off for the whole grace a tier gets at most one burst beyond; memory is never lost."""
    world.gate.policy = world.gate.policy._replace(store=StoreSettings(kind))
    document = state_document(AdminTest(tmp_path, world).api._world)
    assert document["beyond_bound_units"] == bounds
    assert (document["grace_s"], document["entered"]) == (300, {"healthy": 1})
