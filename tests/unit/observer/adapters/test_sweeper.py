"""Sweeps, anchors and tails against the replayed broker."""

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from tests.broker import Broker, broker, rest_of
from tests.tape import CODES, DAY, MIDNIGHT_NS, bundled

from veritape.kernel.clock import SystemClock
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.sweeper import Sweeper, grid_cycle
from veritape.observer.lanes import Lane
from veritape.observer.quotes import QUOTE_FIELDS, SINGLE_FIELDS
from veritape.observer.reactions import Answer, AnswerReason, Reaction
from veritape.observer.recorded_days import Anchor
from veritape.observer.sessions import Hours
from veritape.observer.track_a import Cycle, CycleKind, MissingReason
from veritape.replay.adapters.outbox import Outbox
from veritape.wire.kis.rest import INQUIRE_PRICE, Call

ALL = tuple(CODES)


def register(one: Broker) -> None:
    """Let the tape run: a connection that registered every code and reads nothing."""
    socket = one.exchange.connect(0)
    socket.registered |= {("H0STCNT0", code) for code in ALL}
    one.player.outboxes[socket] = Outbox(socket, lambda: None, lambda: -(1 << 40))


async def test_a_cycle_answers_for_every_code_or_says_why_not(tmp_path: Path) -> None:
    """OB-202, OB-208, OB-209: chunks of 30; an unknown code is not in the answer."""
    async with broker() as one, rest_of(one, tmp_path) as (rest, clock):
        sweeper = Sweeper(rest, clock, tmp_path, "KRX", "u")
        codes = (*ALL, *(f"{number:06}" for number in range(60)))
        manifest = await grid_cycle(sweeper, Cycle(0, CycleKind.GRID, MIDNIGHT_NS, codes), DAY, 32_400, 10)
        assert (manifest["expected"], manifest["received"], manifest["calls"]) == (63, 3, 3)
        assert set(manifest["missing"].values()) == {"not_in_answer"}


async def test_a_refused_chunk_is_halved_and_a_missed_cycle_is_only_written(tmp_path: Path) -> None:
    """OB-206, OB-207: the rest of the chunk is received in the same cycle; a missed one makes no call."""
    async with broker() as one, rest_of(one, tmp_path) as (rest, clock):
        sweeper = Sweeper(rest, clock, tmp_path, "KRX", "u")
        await rest.token()
        cycle = Cycle(0, CycleKind.GRID, MIDNIGHT_NS, ALL)
        cycle.lost(ALL, MissingReason.PROCESS_DOWN)
        manifest = await grid_cycle(sweeper, cycle, DAY, 32_400, 10)
        assert (manifest["calls"], set(manifest["missing"].values())) == (0, {"process_down"})
        refused = Cycle(0, CycleKind.GRID, MIDNIGHT_NS, ("990001", "990002", "990003", "990004"))
        original = rest.quotation

        async def picky(call: object, parameters: dict[str, str], lane: object) -> object:
            if "990004" in parameters.values():
                parameters = parameters | {"FID_COND_MRKT_DIV_CODE_1": "X"}
            return await original(call, parameters, lane)  # type: ignore[arg-type]

        rest.quotation = picky  # type: ignore[method-assign,assignment]
        manifest = await sweeper.sweep(refused, DAY, 33_000, 3_000)
        assert (manifest["received"], manifest["missing"]) == (3, {"990004": "refused"})
        assert manifest["refusals"] == {"OPSQ2001": 2}


class Refusing:
    """A broker that refuses every call with a bad code in it, and fails others as often as told."""

    sweeping = staticmethod(nullcontext[None])

    def __init__(self, *bad: str, failures: int = 0, permits: int = 18) -> None:
        self.bad, self.failures, self.calls = set(bad), failures, list[tuple[str, ...]]()
        self.gate = SimpleNamespace(figures=SimpleNamespace(permits=permits))
        self.serves_many = True
        self.chain_shares = 100

    def serves(self, _call: object) -> bool:
        return self.serves_many

    async def quotation(self, call: Call, query: dict[str, str], lane: Lane) -> Answer:
        assert lane is Lane.SWEEP
        codes = tuple(value for name, value in query.items() if "ISCD" in name)
        self.calls.append(codes)
        if call is INQUIRE_PRICE:
            fields = {**dict.fromkeys(SINGLE_FIELDS, "1"), "acml_vol": str(self.chain_shares)}
            return Answer(Reaction.OK, "", None, {"output": fields})
        if self.failures:
            self.failures -= 1
            return Answer(Reaction.RETRY, "", AnswerReason.TIMEOUT, {})
        if self.bad & set(codes):
            return Answer(Reaction.BUG, "OPSQ2002", AnswerReason.REFUSED, {})
        row = {**dict.fromkeys(QUOTE_FIELDS, "1"), "acml_vol": str(self.chain_shares)}
        return Answer(Reaction.OK, "", None, {"output": [{"inter_shrn_iscd": code, **row} for code in codes]})

    async def sweep(
        self, folder: Path, codes: Sequence[str], seconds: int = 60, *, single: bool = False
    ) -> dict[str, Any]:
        return await self.sweeper(folder, single=single).sweep(self.cycle(codes), DAY, 32_400, seconds)

    def sweeper(self, folder: Path, *, single: bool = False) -> Sweeper:
        return Sweeper(cast("BrokerRest", self), SystemClock(), folder, "KRX", "u", single=single)

    def cycle(self, codes: Sequence[str]) -> Cycle:
        return Cycle(0, CycleKind.GRID, MIDNIGHT_NS, tuple(codes))


THIRTY = tuple(f"{number:06}" for number in range(30))


@pytest.mark.parametrize("bad", THIRTY)
async def test_one_bad_code_in_thirty_takes_at_most_ten_calls(tmp_path: Path, bad: str) -> None:
    """OB-206: wherever it stands; the other 29 are received in the same cycle."""
    one = Refusing(bad)
    manifest = await one.sweep(tmp_path, THIRTY)
    assert (manifest["received"], manifest["missing"]) == (29, {bad: "refused"})
    assert len(one.calls) == manifest["calls"] <= 10


@given(st.sets(st.sampled_from(THIRTY[:9])))
def test_any_bad_codes_are_found_and_no_others(bad: set[str]) -> None:
    """OB-206, OB-208: expected = received + missing."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = asyncio.run(Refusing(*bad).sweep(Path(folder), THIRTY[:9]))
    assert manifest["missing"] == dict.fromkeys(sorted(bad), "refused")
    assert manifest["received"] == 9 - len(bad)


@pytest.mark.parametrize(("failures", "received"), [(2, 3), (3, 0)])
async def test_a_chunk_has_three_attempts(tmp_path: Path, failures: int, received: int) -> None:
    """OB-206: each pays its own permit; then no_answer."""
    one = Refusing(failures=failures)
    manifest = await one.sweep(tmp_path, THIRTY[:3])
    assert (manifest["received"], manifest["attempts"], manifest["calls"]) == (received, 3, 1)
    assert set(manifest["missing"].values()) == (set() if received else {"no_answer"})


async def test_single_quotes_ask_for_one_symbol_a_call(tmp_path: Path) -> None:
    """OB-204: inquire-price; a paper account has nothing else."""
    for one, single in ((Refusing(), True), (Refusing(), False)):
        one.serves_many = single
        manifest = await one.sweep(tmp_path, THIRTY[:3], single=single)
        assert one.calls == [(code,) for code in THIRTY[:3]]
        assert manifest["received"] == 3


async def test_what_cannot_fit_is_refused_before_it_is_asked(tmp_path: Path) -> None:
    """OB-204, OB-209: one request a second and three seconds: two calls; the rest is not_paced."""
    one = Refusing(permits=1)
    manifest = await one.sweep(tmp_path, THIRTY[:5], seconds=3, single=True)
    assert (manifest["received"], len(one.calls)) == (2, 2)
    assert manifest["missing"] == dict.fromkeys(THIRTY[2:5], "not_paced")


async def test_a_chain_that_went_back_is_told_and_its_row_kept(tmp_path: Path) -> None:
    """OB-212: event, row kept; who chooses asks ``chains``."""
    one = Refusing()
    sweeper = one.sweeper(tmp_path)
    with structlog.testing.capture_logs() as told:
        for one.chain_shares in (100, 90):
            manifest = await sweeper.sweep(one.cycle(THIRTY[:1]), DAY, 32_400, 60)
    assert (manifest["received"], sweeper.chains.went_back) == (1, {THIRTY[0]})
    assert [(r["event"], r["code"], r["chain_shares"]) for r in told] == [("chain_went_back", THIRTY[0], 90)]


async def test_anchors_agree_twice_and_tails_are_tiled(tmp_path: Path) -> None:
    """OB-611, OB-612: from close + 3 min, a minute apart, until two in a row agree; by-time rows count the tail."""
    async with broker(seconds=60, speed=1000.0) as one, rest_of(one, tmp_path) as (rest, clock):
        register(one)
        sweeper = Sweeper(rest, clock, tmp_path, "KRX", "u")
        taken: dict[str, Anchor] = {}
        hours = Hours(32_400, 32_460)
        anchors = await sweeper.anchors(ALL, DAY, hours, MIDNIGHT_NS, taken.__setitem__)
        assert anchors == taken
        for code in ALL:
            end = bundled(code).until(32_460_000).trades[-1]
            assert anchors[code][:2] == (end.chain_shares, end.chain_value)
            assert anchors[code].agreed
        trades = bundled("990001").until(32_460_000).trades
        walk = await sweeper.tail("990001", trades[-41].chain_shares, trades[-1].chain_shares)
        assert (walk.closed, walk.trades) == (True, 40)
        assert sorted(path.name for path in (tmp_path / "sweeps").rglob("*.json"))[:2] == [
            "0904.anchor-0.json", "0905.anchor-1.json",
        ]  # fmt: skip
