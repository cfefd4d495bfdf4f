"""The engine of the middleware."""

import pytest
from tests import limited

from veritape.gateway.adapters import engine as module
from veritape.gateway.adapters.callers import Client
from veritape.gateway.adapters.engine import DeniedError, Engine, Ruling
from veritape.gateway.adapters.stores import Judged, ProcessStore, Terms
from veritape.gateway.fast_quota import Plan
from veritape.gateway.leases import LeaseRule
from veritape.gateway.memory_store import MemoryStore
from veritape.gateway.prices import Price
from veritape.gateway.problems import RefusedError
from veritape.gateway.quota import Limits
from veritape.gateway.reasons import Reason
from veritape.kernel.clock import ManualClock
from veritape.kernel.errors import UnavailableError

SCOPE = {"client": ("203.0.113.7", 1), "headers": []}


def known(engine: Engine) -> Client:
    """Return who calls."""
    client = engine.callers.client_of(SCOPE)
    assert client is not None
    return client


def decided(engine: Engine, price: Price) -> Ruling:
    """Decide in memory."""
    decide = engine.decider(known(engine), price)
    assert decide is not None
    return decide()


class Remote(ProcessStore):
    """A store that has to be awaited, or is gone."""

    gone = False

    async def judge(self, subject: str, plan: Plan, terms: Terms) -> tuple[Judged, str]:
        if self.gone:
            raise UnavailableError("planted")
        return await super().judge(subject, plan, terms)


async def test_a_store_that_is_awaited_gives_the_same_answers() -> None:
    """GW-602, GW-251: fields, denial and slots as in memory; a store that is closed is 503."""
    near = limited.engine()
    far = limited.engine()
    remote = Remote(MemoryStore(), far.clock)
    far = Engine(limited.policy(), remote, far.clock)
    far._memory = None
    price = Price("p", 30_000)
    for _ in range(2):
        fields = []
        for one in (near, far):
            client = known(one)
            try:
                decide = one.decider(client, price)
                assert (decide is None) is (one is far)
                fields.append((await one.decide(client, price) if decide is None else decide()).fields)
            except DeniedError as denied:
                fields.append(denied.rate_fields)
        assert fields[0] == fields[1]
    assert (b"retry-after", b"30") in fields[0]
    remote.gone = True
    with pytest.raises(RefusedError) as caught:
        await far.decide(known(far), price)
    assert caught.value.reason is Reason.QUOTA_UNAVAILABLE


def test_another_policy_holds_from_the_next_request_on() -> None:
    """GW-601: what is owed stays; prices and limits are the new ones."""
    made = limited.engine()
    price = Price("p", 45_000)
    assert decided(made, price).decision.admitted
    text = limited.POLICY.replace("version = 3", "version = 4").replace(
        "limit = 30, burst = 45", "limit = 30, burst = 50"
    )
    made.swap(limited.policy(text.replace('cost = "5"', 'cost = "6"')))
    found = made.price_of("GET", "/dear/1")
    assert found is not None
    assert found.cost_mu == 6_000
    with pytest.raises(DeniedError) as caught:
        decided(made, found)
    assert (caught.value.decision.policy_version, caught.value.decision.limits[0].burst) == (4, 50)


def test_paths_are_forgotten_at_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-908: a million paths do not fill memory."""
    monkeypatch.setattr(module, "REMEMBERED", 3)
    made = limited.engine()
    for path in range(10):
        assert made.price_of("GET", f"/{path}") is None
    assert len(made._by_path) <= 3
    assert made.price_of("GET", "/" + "a" * 256) is None
    assert max(len(path) for _, path in made._by_path) <= 256


def test_clock_of_an_engine_stands_still() -> None:
    """GW-603: the engine reads its own clock and nothing else."""
    made = limited.engine()
    assert isinstance(made.clock, ManualClock)
    price = Price("p", 1_000)
    first, second = decided(made, price), decided(made, price)
    assert first.decision._replace(limits=()) == second.decision._replace(limits=())


def test_a_tiers_lease_is_used_where_neither_route_nor_account_says_otherwise() -> None:
    """GW-303, GW-307: its fraction is of the tier's burst, so an account with limits of its own asks for each request."""
    lease = "concurrency = 2, lease = { max = 10, ttl_ms = 500, fraction = 0.5 } }"
    made = limited.engine(policy=limited.policy(limited.POLICY.replace("concurrency = 2 }", lease)))
    tier, own = made.callers._group("free", Limits()), made.callers._group("free", Limits(concurrency=1))
    assert made._prepare(tier, Price("p", 1_000)).terms.lease == LeaseRule(10_000, 500_000, 75_000)
    assert made._prepare(tier, Price("p", 1_000, leased=False)).terms.lease is None
    assert made._prepare(own, Price("p", 1_000)).terms.lease is None
