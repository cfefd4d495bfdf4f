"""What a policy's memory holds."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from tests.servers.gateway_world import TRADES, World
from tests.upstream import policy_text

from veritape.gateway.adapters.policy_memory import Origin, PolicyMemory
from veritape.gateway.identity import Identity, Refusal, of_address
from veritape.gateway.keys import Environment, KeyRecord
from veritape.gateway.policy_reader import read_policy
from veritape.gateway.quota import Limits, make_rule
from veritape.gateway.reasons import Reason

POLICY = read_policy(
    policy_text("http://a:1").replace(b"[ip]\n", b'[ip]\ndeny = ["192.0.2.0/28"]\ngroup_v4 = 24\n'), "p"
)


def test_an_address_is_looked_at_once_and_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-443, GW-444, GW-908: group, denial and class as the policy says; at the bound everything is forgotten, and found again."""
    memory = PolicyMemory(POLICY, legacy=True)
    denied, other = ip_address("192.0.2.1"), ip_address("192.0.2.99")
    callers = [of_address(one, POLICY) for one in (denied, other)]
    assert memory.origin(denied) == Origin("192.0.2.0/24", True, callers[0], False, b"192.0.2.1")
    assert memory.origin(other) == Origin("192.0.2.0/24", False, callers[1], False, b"192.0.2.99")
    kept = memory.origin(denied)
    assert memory.origin(denied) is kept
    monkeypatch.setattr(memory._origins, "limit", 2)
    assert memory.origin(ip_address("192.0.2.100")).group == "192.0.2.0/24"
    assert memory.origin(denied) == kept
    assert memory.origin(denied) is not kept


def test_a_route_is_prepared_for_each_cost_tier_and_limits() -> None:
    """GW-501, GW-342: the same object for the same question, another one for another cost or own limits of an account."""
    memory, route, limits = PolicyMemory(POLICY, legacy=True), POLICY.routes[0], POLICY.tiers["free"].limits
    found = memory.prepared(route, "free", limits, anonymous=False)
    assert memory.prepared(route, "free", limits, anonymous=False) is found
    assert (found.plan.limits, found.plan.cost_mu, found.terms.policy_version) == (
        limits,
        route.cost_mu,
        POLICY.version,
    )
    dearer = memory.prepared(route._replace(cost_mu=5_000), "free", limits, anonymous=False)
    own = memory.prepared(route, "free", Limits(make_rule(5, 60, 5)), anonymous=False)
    assert (dearer.plan.cost_mu, own.plan.limits.minute) == (5_000, make_rule(5, 60, 5))


def test_a_key_is_recognised_once_until_it_ceases_to_serve() -> None:
    """GW-404, GW-405, GW-420: the same identity for the same record; another record, a later moment, an earlier one: anew."""
    memory, route, address = PolicyMemory(POLICY, legacy=True), POLICY.routes[0], ip_address("192.0.2.99")
    record = KeyRecord(
        "key_a", "acme", "free", False, Environment.LIVE, "", (), "", (), 0, 10, 100, 0, "", 0, b""
    )
    found = memory.of_key(record, route, 50, address)
    assert isinstance(found, Identity)
    assert memory.of_key(record, route, 99, address) is found
    for moment, reason in ((100, Reason.EXPIRED_KEY), (9, Reason.EXPIRED_KEY)):
        assert memory.of_key(record, route, moment, address) == Refusal(reason)
    suspended = record._replace(suspended=True)
    assert memory.of_key(suspended, route, 50, address) == Refusal(Reason.ACCOUNT_SUSPENDED)
    assert memory.of_key(None, route, 50, address) == Refusal(Reason.INVALID_KEY)
    elsewhere = record._replace(cidrs=(ip_network("198.51.100.0/24"),))
    assert memory.of_key(elsewhere, route, 50, address) == Refusal(Reason.KEY_NOT_ALLOWED_HERE)


async def test_a_reload_takes_effect_with_the_next_request(tmp_path: Path) -> None:
    """GW-105, GW-504: what was prepared for the policy before is not used after it."""
    world = World(tmp_path)
    key = world.key()
    async with world.client() as client:
        before = await client.get(TRADES, headers={"X-API-Key": key})
        text = world.policy_text.replace(b"version = 7", b"version = 8").replace(
            b"burst = 150", b"burst = 120"
        )
        world.gateway.swap(read_policy(text, "p"))
        after = await client.get(TRADES, headers={"X-API-Key": key})
    world.close()
    assert "veritape-burst=150" in before.headers["ratelimit-policy"]
    assert "veritape-burst=120" in after.headers["ratelimit-policy"]
