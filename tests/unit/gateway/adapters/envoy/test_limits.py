"""Envoy's rate-limit service over a whole gateway."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.wrappers_pb2 import UInt64Value
from tests import deciding
from tests.servers.gateway_world import World

from veritape.gateway.adapters.decision_desk import Desk, Told
from veritape.gateway.adapters.envoy.limits import HITS_LIMIT, RateLimits
from veritape.gateway.adapters.envoy.messages_pb2 import (
    RateLimitDescriptor,
    RateLimitRequest,
    RateLimitResponse,
)
from veritape.gateway.usage_metrics import LetThrough
from veritape.kernel.errors import UnavailableError

OK, OVER = RateLimitResponse.OK, RateLimitResponse.OVER_LIMIT


class Asker:
    """A gateway and the service over it."""

    def __init__(self, folder: Path) -> None:
        self.world: World = deciding.world(folder)
        self.told: list[Told] = []
        self.let_through: list[LetThrough] = []
        desk = Desk(self.world.gate, self.world.finder, self.told.append)
        self.limits = RateLimits(desk, self.let_through.append)
        self.key = deciding.key(self.world)

    async def ask(
        self, *descriptors: RateLimitDescriptor, hits: int = 0, domain: str = "veritape"
    ) -> RateLimitResponse:
        """Call."""
        request = RateLimitRequest(domain=domain, descriptors=descriptors, hits_addend=hits)
        return await self.limits.should_rate_limit(request)


@pytest.fixture
async def asker(tmp_path: Path) -> AsyncIterator[Asker]:
    """Return somebody who asks."""
    made = Asker(tmp_path)
    yield made
    made.world.close()


def about(*hits: int, **entries: str) -> RateLimitDescriptor:
    """Return a descriptor."""
    parts = [RateLimitDescriptor.Entry(key=key, value=value) for key, value in entries.items()]
    addend = UInt64Value(value=hits[0]) if hits else None
    return RateLimitDescriptor(entries=parts, hits_addend=addend)


async def test_an_answer_says_limit_rest_and_reset(asker: Asker) -> None:
    """GW-611: the tightest limit of each descriptor, and the fields to add."""
    found = await asker.ask(about(account="acme", route="trades"))
    (status,) = found.statuses
    assert (found.overall_code, status.code) == (OK, OK)
    assert (status.current_limit.name, status.current_limit.requests_per_unit, status.limit_remaining) == (
        "minute",
        100,
        149,
    )
    assert status.current_limit.unit == RateLimitResponse.RateLimit.MINUTE
    assert (status.duration_until_reset.seconds, status.duration_until_reset.nanos) == (0, 600_000_000)
    fields = {header.key: header.value for header in found.response_headers_to_add}
    assert fields["RateLimit"].startswith('"minute";r=149;t=1')


async def test_hits_multiply_the_cost_and_0_only_looks(asker: Asker) -> None:
    """GW-611: the descriptor's hits go before the request's; without any it is one; 0 is a probe; hits without end deny."""

    async def left(descriptor: RateLimitDescriptor, hits: int = 0) -> int:
        return (await asker.ask(descriptor, hits=hits)).statuses[0].limit_remaining

    bars, mine = {"route": "/v1/bars?symbol=x", "method": "GET"}, {"api_key": asker.key}
    assert await left(about(**mine, **bars)) == 149
    assert await left(about(**mine, **bars), hits=4) == 145
    assert await left(about(3, **mine, **bars), hits=4) == 142
    assert await left(about(0, **mine, **bars), hits=4) == 142
    assert await left(about(2, **mine, route="verify")) == 132
    denied = await asker.ask(about(2**63, **mine, **bars))
    assert denied.overall_code == OVER
    assert HITS_LIMIT * 1_000 < 2**53
    assert await left(about(0, **mine, **bars)) == 132


async def test_all_descriptors_or_none(asker: Asker) -> None:
    """GW-611: when one denies, none is charged, and each says its own code."""
    address, account = (
        {"remote_address": "203.0.113.9", "route": "identify"},
        {"account": "acme", "route": "trades"},
    )
    both = await asker.ask(about(45, **address), about(1, **account))
    assert both.overall_code == OK
    denied = await asker.ask(about(1, **account), about(1, **address))
    assert (denied.overall_code, [status.code for status in denied.statuses]) == (OVER, [OK, OVER])
    fields = {header.key: header.value for header in denied.response_headers_to_add}
    assert fields["Retry-After"] == "2"
    assert (await asker.ask(about(0, **account))).statuses[0].limit_remaining == 149
    assert asker.world.ledger.month_sums("2026-11") == {"acme:live": 1_000}


async def test_each_decision_is_told_once(asker: Asker) -> None:
    """TL-250, GW-773: charges and denials, alone or together; a probe tells nothing."""
    account, address = (
        {"account": "acme", "route": "trades"},
        {"remote_address": "203.0.113.9", "route": "trades"},
    )
    await asker.ask(about(2, **account))
    await asker.ask(about(0, **account))
    assert [(one.tier, one.outcome, one.charged_mu, one.store) for one in asker.told] == [
        ("free", "allowed", 2_000, "memory")
    ]
    asker.told.clear()
    await asker.ask(about(45, **address))
    await asker.ask(about(1, **account), about(1, **address))
    await asker.ask(about(1, **address))
    assert [(one.anonymous, one.outcome) for one in asker.told] == [
        (True, "allowed"), (True, "minute"), (True, "minute"),
    ]  # fmt: skip


async def test_what_nobody_knows_is_let_through_and_counted(asker: Asker) -> None:
    """GW-611: a domain, a route, a caller; one that is known beside it is decided all the same."""
    await asker.ask(about(account="acme", route="trades"), domain="other")
    await asker.ask(about(account="acme", route="nothing"), about(account="acme", route="/nowhere"))
    await asker.ask(about(route="trades"), about(route="trades", remote_address="nowhere"))
    found = await asker.ask(about(account="acme", route="trades"), about(route="nothing"))
    assert [status.code for status in found.statuses] == [OK, OK]
    assert Counter(asker.let_through) == {LetThrough.DOMAIN: 1, LetThrough.ROUTE: 3, LetThrough.CALLER: 2}
    assert asker.world.ledger.month_sums("2026-11") == {"acme:live": 1_000}
    assert (await asker.ask()).overall_code == OK


async def test_a_caller_who_is_not_let_in_is_over_the_limit(asker: Asker) -> None:
    """GW-611, GW-419: a bad key is never taken for an address; an unknown account, a denied scope."""
    for entries in (
        {"api_key": "nonsense"},
        {"account": "nobody"},
        {"api_key": deciding.key(asker.world, "bars:read")},
    ):
        found = await asker.ask(about(route="trades", remote_address="203.0.113.9", **entries))
        assert found.overall_code == OVER


async def test_an_unlimited_caller_has_no_limit_to_show(asker: Asker) -> None:
    """GW-611: OK, with neither limit nor rest."""
    deciding.key(asker.world, account="friend", tier="partner")
    (status,) = (await asker.ask(about(account="friend", route="trades"))).statuses
    assert (status.code, status.HasField("current_limit")) == (OK, False)


async def test_an_error_is_never_an_error_of_the_call(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-611: a bug is logged, counted and let through; a closed store denies."""

    async def broken(*_: object) -> None:
        raise RuntimeError("planted")

    async def away(*_: object) -> None:
        raise UnavailableError("planted")

    with monkeypatch.context() as patched:
        patched.setattr(asker.world.gate.store, "judge", broken)
        found = await asker.ask(about(account="acme", route="trades"))
        assert (found.overall_code, asker.let_through) == (OK, [LetThrough.ERROR])
    with monkeypatch.context() as patched:
        patched.setattr(asker.world.gate.store, "judge", away)
        assert (await asker.ask(about(account="acme", route="trades"))).overall_code == OVER
