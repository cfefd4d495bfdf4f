"""Watched limits and halved ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.gateway_world import TRADES, World, unguarded

from veritape.gateway.adapters.admission import manner
from veritape.gateway.adapters.policy_file import shipped_policy
from veritape.gateway.policy_reader import read_policy

ROUTE = b'scope = "trades:read" }'
WATCHED = {
    "tier": unguarded(shipped_policy()).replace(b'free = { price_usd_month = "0",', b'free = { shadow = true, price_usd_month = "0",'),
    "route": unguarded(shipped_policy()).replace(ROUTE, b'scope = "trades:read", shadow = true }'),
    "none": unguarded(shipped_policy()),
}  # fmt: skip


@pytest.fixture
def open_world(tmp_path: Path) -> Iterator[World]:
    """A gateway on which every route is open and every class watched."""
    text = WATCHED["none"].replace(b'cost = "1", scope = "trades:read"', b'cost = "1", anonymous = true')
    world = World(tmp_path, text.replace(b'name = "anonymous",', b'name = "anonymous", shadow = true,'))
    yield world
    world.close()


@pytest.mark.parametrize(("where", "shadow"), [("tier", True), ("route", True), ("none", False)])
def test_a_watched_limit_admits_charges_and_tells(tmp_path: Path, where: str, shadow: bool) -> None:
    """GW-107: shadow on a tier or a route; the policy says so."""
    policy = read_policy(WATCHED[where], "p")
    trades = next(route for route in policy.routes if route.name == "trades")
    assert manner(policy, trades, "free", 0, anonymous=False).shadow is shadow
    assert not manner(policy, policy.routes[0], "pro", 0, anonymous=False).shadow


@pytest.mark.parametrize("where", ["tier", "route"])
async def test_beyond_a_watched_limit_nothing_is_denied(tmp_path: Path, where: str) -> None:
    """GW-107: 152 calls of a Free key: all are served and charged, two are told; no RateLimit field says otherwise."""
    world = World(tmp_path, WATCHED[where])
    key = world.key()
    async with world.client() as client:
        answers = [await client.get(TRADES, headers={"X-API-Key": key}) for _ in range(152)]
    world.close()
    assert {answer.status_code for answer in answers} == {200}
    assert not any(
        "RateLimit" in answer.headers or "RateLimit-Policy" in answer.headers for answer in answers
    )
    assert [access.would_deny for access in world.log] == [""] * 150 + ["minute"] * 2
    assert {(access.outcome, access.units_mu) for access in world.log} == {("allowed", 1_000)}
    assert sum(world.memory.months.values()) == 152_000


async def test_a_watched_address_class(open_world: World) -> None:
    """GW-107: shadow on a class: the 46th anonymous call is served and told."""
    async with open_world.client() as client:
        assert {(await client.get(TRADES)).status_code for _ in range(46)} == {200}
    assert [access.would_deny for access in open_world.log][-2:] == ["", "minute"]


async def test_at_level_2_free_has_half_a_bucket(world: World) -> None:
    """GW-381: the 76th call is 503 ``overloaded``, uncharged, with the draft's type; Pro goes on."""
    key, pro = world.key(), world.key("pro", "bolt")
    world.gate.overload.level = 2
    async with world.client() as client:
        answers = [await client.get(TRADES, headers={"X-API-Key": key}) for _ in range(76)]
        others = [await client.get(TRADES, headers={"X-API-Key": pro}) for _ in range(76)]
    assert [answer.status_code for answer in answers] == [200] * 75 + [503]
    assert {answer.status_code for answer in others} == {200}
    refused = answers[-1]
    assert refused.json()["type"].endswith("#temporary-reduced-capacity")
    assert refused.json()["reason"] == "overloaded"
    assert refused.headers.get_list("Retry-After") == ["1"]
    assert (world.log[75].outcome, world.log[75].charged_mu) == ("overload", 0)
    assert sum(units for (subject, _), units in world.memory.months.items() if "acme" in subject) == 75_000


async def test_at_level_3_only_health_and_essential_routes_are_served(tmp_path: Path) -> None:
    """GW-381: others are 503 with a Retry-After of 1 to 5 seconds by their request id; at level 2 they are served."""
    world = World(tmp_path, WATCHED["none"].replace(ROUTE, b'scope = "trades:read", essential = true }'))
    headers = {"X-API-Key": world.key("pro", "bolt")}
    world.gate.overload.level = 3
    async with world.client() as client:
        assert (await client.get(TRADES, headers=headers)).status_code == 200
        assert (await client.get("/health")).status_code == 200
        waits = {
            (await client.get("/v1/completeness?day=20131007", headers=headers)).headers["Retry-After"]
            for _ in range(40)
        }
        world.gate.overload.level = 2
        assert (await client.get("/v1/completeness?day=20131007", headers=headers)).status_code == 200
    world.close()
    assert waits <= {"1", "2", "3", "4", "5"}
    assert len(waits) > 1
