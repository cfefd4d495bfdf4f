"""Sweeps, anchors and tails against the replayed broker."""

from pathlib import Path

from tests.broker import Broker, broker, rest_of
from tests.tape import CODES, DAY, MIDNIGHT_NS, bundled

from veritape.observer.adapters.sweeper import Sweeper, grid_cycle
from veritape.observer.recorder import Anchor
from veritape.observer.sessions import Hours
from veritape.observer.track_a import Cycle, CycleKind, MissingReason
from veritape.replay.adapters.outbox import Outbox

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

        async def picky(call: object, parameters: dict[str, str]) -> object:
            if "990004" in parameters.values():
                parameters = parameters | {"FID_COND_MRKT_DIV_CODE_1": "X"}
            return await original(call, parameters)  # type: ignore[arg-type]

        rest.quotation = picky  # type: ignore[method-assign,assignment]
        manifest = await sweeper.sweep(refused, DAY, 33_000, 3_000)
        assert (manifest["received"], manifest["missing"]) == (3, {"990004": "refused"})
        assert manifest["refusals"] == {"OPSQ2001": 3}


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
