"""Load scenarios: what they demand, and that a wrong engine fails them."""

import asyncio
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from tests.servers.answering_peer import answering_peer
from tests.servers.gateway_world import DAY, SYMBOL, TRADES, World, unguarded

from veritape.apps.bench import gateway_load
from veritape.apps.bench.gateway_client import Hit, Shot, Target, request_bytes
from veritape.apps.bench.gateway_flood import Tally
from veritape.apps.bench.gateway_load import (
    SCENARIOS,
    Stand,
    bucket_problems,
    open_loop_problems,
    outcome,
    spans_s,
    too_few,
    usage_problems,
)
from veritape.apps.bench.gateway_upstream import upstream_process
from veritape.apps.bench.machine_load import MachineLoad
from veritape.gateway.adapters.key_store import Grant
from veritape.gateway.adapters.policy_file import shipped_policy
from veritape.gateway.adapters.server import serve_beside
from veritape.gateway.adapters.stores import Judged, ProcessStore, Terms
from veritape.gateway.adapters.usage_reader import sqlite_usage
from veritape.gateway.fast_quota import Plan
from veritape.gateway.keys import Environment
from veritape.gateway.quota import MU, Decision, LimitName, LimitState, Mode, month_of
from veritape.gateway.reasons import Reason
from veritape.kernel.addresses import Address
from veritape.kernel.clock import ManualClock, SystemClock
from veritape.kernel.errors import UnavailableError
from veritape.kernel.listeners import bind

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

    async def judge(self, subject: str, plan: Plan, terms: Terms) -> tuple[Judged, str]:
        """Admit while the window's units last."""
        key, rule = (subject, self._now_us() // 60_000_000), terms.limits.minute
        used_mu = self.counts.get(key, 0)
        admitted = rule is None or used_mu + plan.cost_mu <= rule.limit * MU
        if admitted:
            self.counts[key] = used_mu + plan.cost_mu
        parts = (LimitState(LimitName.MINUTE, 1, 60, 1, 0, 0 if admitted else 1_000_000, 0),)
        reason = None if admitted else Reason.RATE_LIMITED
        period = month_of(self._clock.wall_ns() // 1_000).period
        wait_s = 0 if admitted else 1
        return Decision(
            admitted, reason, plan.cost_mu, parts, wait_s, Mode.EXACT, period, plan.policy_version
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
        found = await SCENARIOS[name](stand)
        assert found.problems == []
        assert found.statuses.total() > 0
        assert await usage_problems(stand, found) == []


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
    assert len(bucket_problems(hits, 150, 100) + too_few(hits, 150, 100)) == wrong
    assert len(bucket_problems([*hits, hit(503, 0, 1)], 150, 100)) == (admitted > 151) + 1


def test_answers_without_the_store_are_told_apart() -> None:
    """GW-344, GW-851: what a share of the process admitted beside the store is no breach of the store's bound; the rest is judged."""
    apart = [hit(200, 0, 1)._replace(quota_state="local")] * 20
    leased = [hit(200, 0, 1)._replace(quota_state="lease")]
    inside = [hit(200, 0, 1)] * 150
    assert bucket_problems([*inside, *apart], 150, 100) == []
    assert bucket_problems([*inside, *leased, *apart, *leased], 150, 100) == [
        "152 admitted, at most 151 in 1.000 s"
    ]
    found = outcome([*inside, *apart], ["always"], ["with the store only"])
    assert found.problems == ["always"]
    assert found.overloaded == "20 answers without the store, which did not answer in its deadline"
    assert outcome(inside, ["always"], ["with the store only"]).problems == ["always", "with the store only"]


async def test_a_charge_that_is_missing_is_found() -> None:
    """GW-851: after each scenario the ledger is compared with the answers."""

    async def counted() -> Mapping[str, int]:
        return {"a": 1}

    stand = cast("Stand", type("S", (), {"counted": staticmethod(counted)}))
    one, none = hit(200, 0, 1), hit(0, 0, 1)
    assert await usage_problems(stand, outcome([one], [])) == []
    assert await usage_problems(stand, outcome([one, one], [])) == ["a: 2 answered, 1 in the ledger"]
    assert await usage_problems(stand, outcome([one, none], [])) == []
    assert await usage_problems(stand, outcome([one, one, none], [])) == [
        "a: 2 answered, 1 without an answer, 1 in the ledger"
    ]


class Machine(MachineLoad):
    """A machine that is as busy with other work as is said."""

    def __init__(self, share: float) -> None:
        self.share = share

    def foreign_share(self) -> float:
        """Return what was said."""
        return self.share


@asynccontextmanager
async def planted(
    answer: bytes, share: float, *, late_s: float = 0.0, seconds: float = 0.3
) -> AsyncIterator[Stand]:
    """A gateway that answers everything alike."""

    async def account(tier: str) -> str:
        names.append(f"{tier}-{len(names)}")
        return names[-1]

    async def counted() -> Mapping[str, int]:
        return {}

    def shot(_what: str, label: str) -> Shot:
        return Shot(label, request_bytes("GET", "/x"))

    names: list[str] = []
    async with answering_peer(lambda _: (late_s, answer)) as target:
        with upstream_process() as upstream:
            yield Stand(
                target, SystemClock(), shot, account, counted, seconds, 100, 50, upstream.target,
                lambda: Machine(share),
            )  # fmt: skip


ADMITTED = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
SHED = b'HTTP/1.1 503 X\r\nContent-Length: 23\r\n\r\n{"reason":"overloaded"}'
BROKEN = b'HTTP/1.1 503 X\r\nContent-Length: 33\r\n\r\n{"reason":"identity_unavailable"}'


async def test_a_bound_is_judged_on_a_machine_that_is_too_busy() -> None:
    """GW-851, GW-979: an account above its bound fails the mixed scenario whatever else the machine does; times are not judged."""
    async with planted(ADMITTED, 0.5, late_s=0.1, seconds=4.0) as stand:
        found = await SCENARIOS["mixed"](stand)
    assert found.overloaded == "50% of it worked for others"
    assert found.problems
    assert all(" admitted, at most " in problem for problem in found.problems)


async def test_slow_answers_fail_when_the_machine_was_ours() -> None:
    """GW-851: P95 of the mixed scenario and of the open loop, and answers that did not come."""
    async with planted(ADMITTED, 0.0, late_s=0.2) as stand:
        for name in ("mixed", "open10k"):
            found = await SCENARIOS[name](stand)
            assert found.overloaded == ""
            assert any("below 50 ms expected" in problem for problem in found.problems)
    tally = Tally(Counter({200: 99, 0: 1}), array("q", [1]), 1.0)
    assert open_loop_problems(tally) == ["99 of 100 answered 200, 99.9 % expected"]


async def test_shed_load_is_said_and_other_errors_fail() -> None:
    """GW-381, GW-851: 503 `overloaded` means that the machine did not keep up; any other 503 is an error."""
    async with planted(SHED, 0.0) as stand:
        found = await SCENARIOS["mixed"](stand)
        assert found.problems == []
        assert found.overloaded == f"{found.statuses[503]} x 503 overloaded"
        assert (await SCENARIOS["open10k"](stand)).problems
    async with planted(BROKEN, 0.5) as stand:
        found = await SCENARIOS["mixed"](stand)
        assert found.problems == [f"{found.statuses[503]} errors of {found.statuses[503]}"]
    async with planted(ADMITTED.replace(b"200", b"429"), 0.5) as stand:
        assert "other answers than 200 and 503" in (await SCENARIOS["open10k"](stand)).problems[0]


async def test_a_rate_that_the_generator_hardly_reaches_is_not_run() -> None:
    """GW-852: the generator measures its own ceiling first and refuses a run within 20 % of it."""
    async with planted(ADMITTED, 0.0) as stand:
        with pytest.raises(UnavailableError, match=r"the generator reaches .* a second need 1,250,000,000"):
            await SCENARIOS["open10k"](stand._replace(open_rate=1_000_000_000))


def test_the_names_are_the_specification_s() -> None:
    """GW-851: eleven scenarios."""
    assert list(SCENARIOS) == [
        "free", "pro", "enterprise", "refill", "burst", "compare", "anonymous", "health", "users", "mixed", "open10k",
    ]  # fmt: skip
    assert gateway_load.P95_S == 0.05
