"""A desk over a whole gateway, for tests of what asks from outside."""

from pathlib import Path

from tests.servers.gateway_world import World, unguarded

from veritape.gateway.adapters.decision_desk import Desk
from veritape.gateway.adapters.key_store import Grant
from veritape.gateway.adapters.policy_file import shipped_policy
from veritape.gateway.keys import Environment

ALL_SCOPES = ("trades:read", "bars:read", "receipts:read", "completeness:read")


def world(folder: Path) -> World:
    """Return a gateway under the shipped policy."""
    return World(folder, unguarded(shipped_policy()))


def desk(made: World) -> Desk:
    """Return its desk."""
    return Desk(made.gate, made.finder)


def key(made: World, *scopes: str, account: str = "acme", tier: str = "free") -> str:
    """Make a key with scopes."""
    return made.new_key(tier, account, Grant(Environment.LIVE, scopes or ALL_SCOPES))[0]
