"""What the desk knows: routes after a reload, accounts, the free ones."""

from pathlib import Path

import pytest
from tests import deciding

from veritape.gateway.accounts import Account
from veritape.gateway.adapters import decision_desk as module
from veritape.gateway.adapters.decision_desk import Desk
from veritape.gateway.identity import Identity, Refusal
from veritape.gateway.keys import Environment
from veritape.gateway.policy_reader import read_policy
from veritape.gateway.quota import Limits
from veritape.gateway.reasons import Reason


async def test_a_reloaded_policy_has_its_routes_at_once(tmp_path: Path) -> None:
    """GW-104, GW-621: the table follows the gate's policy."""
    world = deciding.world(tmp_path)
    desk = deciding.desk(world)
    assert desk.route_at("HEAD", "/v1/trades") == desk.route_named("trades")
    assert desk.route_at("PUT", "/v1/trades") is None
    text = world.policy_text.replace(b"version = 7", b"version = 8").replace(b'"/v1/bars"', b'"/v2/bars"')
    world.gate.policy = read_policy(text, "policy.toml")
    assert desk.route_at("GET", "/v1/bars") is None
    assert desk.route_at("GET", "/v2/bars") == desk.route_named("bars")
    assert desk.route_named("nothing") is None
    world.close()


async def test_an_account_is_served_by_its_state_and_its_own_limits(tmp_path: Path) -> None:
    """GW-146, GW-621: suspended, of a tier that is gone, with limits of its own."""
    accounts = {
        "bad": Account("bad", "free", True, Limits(), 1),
        "old": Account("old", "gone", False, Limits(), 1),
        "own": Account("own", "free", False, Limits(concurrency=77), 1),
    }

    class Known:
        async def find_account(self, identifier: str) -> Account | None:
            return accounts.get(identifier)

    world = deciding.world(tmp_path)
    desk = Desk(world.gate, Known())
    for name, reason in (
        ("bad", Reason.ACCOUNT_SUSPENDED),
        ("old", Reason.ACCOUNT_SUSPENDED),
        ("no", Reason.NOT_FOUND),
    ):
        assert await desk.of_account(name, Environment.LIVE) == Refusal(reason)
    found = await desk.of_account("own", Environment.TEST)
    assert isinstance(found, Identity)
    assert (found.caller.subject, found.limits.concurrency, found.limits.month_mu) == (
        "own:test",
        77,
        50_000_000,
    )
    world.close()


async def test_what_is_kept_of_addresses_and_paths_follows_the_policy_and_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GW-443, GW-611, GW-908: an address is denied from the reload on; neither many of them nor long paths fill the memory."""
    world = deciding.world(tmp_path)
    desk = deciding.desk(world)
    for _ in range(2):
        found = desk.at_address("::ffff:192.0.2.7")
        assert isinstance(found, Identity)
        assert found.caller.subject == "ip:anonymous:192.0.2.7/32"
    for text in ("", "/run/envoy.sock", "fe80::1%eth0", "localhost", "1" * 100_000):
        assert desk.at_address(text) is None
    denied = world.policy_text.replace(b"[ip]\n", b'[ip]\ndeny = ["192.0.2.0/24"]\n')
    world.gate.policy = read_policy(denied, "policy.toml")
    assert desk.at_address("::ffff:192.0.2.7") == Refusal(Reason.IP_DENIED)
    monkeypatch.setattr(module, "REMEMBERED", 3)
    for number in range(10):
        desk.at_address(f"198.51.100.{number}")
        desk.route_at("GET", f"/{number}" + "a" * 250 * (number % 2))
    assert len(desk._routes) <= 3
    desk.route_at("GET", "/" + "a" * 256)
    assert not [path for _, path in desk._routes if len(path) > 256]
    before = module._read_address.cache_info()
    assert desk.at_address("a" * 46) is None
    assert module._read_address.cache_info() == before
    world.close()
