"""Load scenarios: what they demand, and that a wrong engine fails them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from tests.servers.gateway_world import DAY, SYMBOL, TRADES, World, unguarded

from veritape.apps.bench import gateway_load
from veritape.apps.bench.gateway_client import Hit, Shot, Target, request_bytes
from veritape.apps.bench.gateway_load import SCENARIOS, Stand, bucket_problems, spans_s, usage_problems
from veritape.gateway.adapters.key_store import Grant
from veritape.gateway.adapters.policy_file import shipped_policy
from veritape.gateway.adapters.server import Address, bind, serve_beside
from veritape.gateway.adapters.stores import ProcessStore, Terms
from veritape.gateway.adapters.usage_reader import sqlite_usage
from veritape.gateway.keys import Environment
from veritape.gateway.quota import MU, Decision, LimitName, LimitState, Mode, month_of
from veritape.gateway.reasons import Reason
from veritape.kernel.clock import ManualClock, SystemClock

BARS = f"/v1/bars?symbol={SYMBOL}&day={DAY}&interval=1m"
POLICY = (
    unguarded(shipped_policy())
    .replace(b'cost = "1", scope = "trades:read"', b'cost = "1", anonymous = true')
    .replace(b'cost = "1", scope = "bars:read"', b'cost = "2"')
)


class FixedWindow(ProcessStore):
    """A planted engine: so many units in each minute of the clock."""

    def plant(self) -> "FixedWindow":
        """Begin to count."""
        self.counts: dict[tuple[str, int], int] = {}
        return self

    async def decide(self, subject: str, cost_mu: int, terms: Terms) -> tuple[Decision, str]:
        """Admit while the window's units last."""
        key, rule = (subject, self._now_us() // 60_000_000), terms.limits.minute
        used_mu = self.counts.get(key, 0)
        admitted = rule is None or used_mu + cost_mu <= rule.limit * MU
        if admitted:
            self.counts[key] = used_mu + cost_mu
        parts = (LimitState(LimitName.MINUTE, 1, 60, 1, 0, 0 if admitted else 1_000_000, 0),)
        reason = None if admitted else Reason.RATE_LIMITED
        period = month_of(self._clock.wall_ns() // 1_000).period
        wait_s = 0 if admitted else 1
        return Decision(
            admitted, reason, cost_mu, parts, wait_s, Mode.EXACT, period, terms.policy_version
        ), ""


@asynccontextmanager
async def standing(folder: Path, *, planted: bool, seconds: float = 1.0) -> AsyncIterator[Stand]:
    """A real gateway in this process, with its own engine or the planted one."""
    clock = SystemClock()
    world = World(folder, POLICY, clock=cast("ManualClock", clock))
    if planted:
        world.gate.store = FixedWindow(world.memory, clock).plant()
    keys: dict[str, str] = {}

    async def account(tier: str) -> str:
        name = f"{tier}-{len(keys)}"
        keys[name] = world.key(tier, name, Grant(Environment.LIVE, ()))
        return name

    def shot(what: str, label: str) -> Shot:
        path = {"health": "/health", "compare": BARS}.get(what, TRADES)
        return Shot(label, request_bytes("GET", path, keys.get(label, "")))

    async def counted() -> Mapping[str, int]:
        with sqlite_usage(folder / "usage.db") as reader:
            rows = reader.figures(month_of(clock.wall_ns() // 1_000).period, "route")
        return {row.account: row.calls for row in rows if row.env and row.calls}

    listener = bind(Address("127.0.0.1", 0))
    serving = asyncio.create_task(serve_beside(world.gateway, listener))
    try:
        yield Stand(
            Target("127.0.0.1", listener.getsockname()[1]), clock, shot, account, counted, seconds, 1_700
        )
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        world.close()


@pytest.mark.parametrize("name", ["free", "burst", "compare", "anonymous", "users", "health", "enterprise"])
async def test_the_engine_meets_a_scenario(tmp_path: Path, name: str) -> None:
    """GW-851, GW-979: what is expected exactly, and the ledger has every answer."""
    async with standing(tmp_path, planted=False) as stand:
        outcome = await SCENARIOS[name](stand)
        assert outcome.problems == []
        assert outcome.hits
        assert await usage_problems(stand, outcome.hits) == []


@pytest.mark.parametrize("name", ["free", "pro", "burst", "compare", "anonymous", "users"])
async def test_a_fixed_window_fails(tmp_path: Path, name: str) -> None:
    """GW-979: scenarios 1, 2, 5, 6, 7 and 9 fail when the engine is replaced by a fixed window."""
    async with standing(tmp_path, planted=True) as stand:
        assert (await SCENARIOS[name](stand)).problems


def hit(status: int, sent_s: float, done_s: float, label: str = "a") -> Hit:
    return Hit(label, status, "", int(sent_s * 10**9), int(done_s * 10**9))


def test_t_is_bounded_by_what_can_be_seen() -> None:
    """GW-851: decisions lie between the first send and the last answer, and span at least from first answer to last send."""
    assert spans_s([hit(200, 0, 1), hit(200, 0.5, 3), hit(200, 2, 2.5)]) == (1.0, 3.0)
    assert spans_s([hit(200, 0, 1)]) == (0.0, 1.0)


@pytest.mark.parametrize(("admitted", "wrong"), [(148, 1), (149, 0), (151, 0), (152, 1)])
def test_one_call_too_many_or_two_too_few_are_found(admitted: int, wrong: int) -> None:
    """GW-851: burst 150 and 1 s at 100 a minute: 151 at most, and one less than the bound at T = 0 at least."""
    hits = [hit(200, 0, 1) for _ in range(admitted)] + [hit(429, 0, 1)]
    assert len(bucket_problems(hits, 150, 100)) == wrong
    assert len(bucket_problems([*hits, hit(503, 0, 1)], 150, 100)) == wrong + 1


async def test_a_charge_that_is_missing_is_found() -> None:
    """GW-851: after each scenario the ledger is compared with the answers."""

    async def counted() -> Mapping[str, int]:
        return {"a": 1}

    stand = cast("Stand", type("S", (), {"counted": staticmethod(counted)}))
    assert await usage_problems(stand, [hit(200, 0, 1)]) == []
    assert await usage_problems(stand, [hit(200, 0, 1)] * 2) == ["a: 2 answered, 1 in the ledger"]


def test_the_names_are_the_specification_s() -> None:
    """GW-851: ten scenarios."""
    assert list(SCENARIOS) == [
        "free", "pro", "enterprise", "refill", "burst", "compare", "anonymous", "health", "users", "mixed",
    ]  # fmt: skip
    assert gateway_load.P95_S == 0.05
