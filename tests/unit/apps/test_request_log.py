"""What becomes of a finished request."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from tests.servers.gateway_world import TRADES, World

from veritape.apps.request_log import RequestLog, watch_overload
from veritape.gateway.access_lines import Access
from veritape.gateway.adapters.line_writer import LineWriter
from veritape.gateway.metrics import METRICS, REQUESTS
from veritape.gateway.overload import Overload
from veritape.telemetry import Registry


async def test_lines_say_what_happened_and_no_secret(tmp_path: Path) -> None:
    """GW-773, GW-906: ids, route, status, units, reason, mode, times; never header, query or body; one in ten at level 1."""
    world, overload = World(tmp_path), Overload()
    reader, writer = os.pipe()
    lines = LineWriter(writer)
    log = RequestLog(Registry(METRICS), lines, overload, enabled=True)
    key = world.key()
    async with world.client() as client:
        await client.get(f"{TRADES}&limit=1", headers={"X-API-Key": key, "X-Planted": "planted-secret"})
        await client.get("/no%7fne%0d%0aInjected: 1")
    world.close()
    for access in world.log:
        log(access)
    overload.level = 1
    for _ in range(18):
        log(world.log[0])
    lines.close()
    os.close(writer)
    with os.fdopen(reader) as file:
        text = file.read()
    found = [json.loads(line) for line in text.splitlines()]
    assert len(found) == 4
    assert {name: found[0][name] for name in ("account", "route", "status", "units", "mode", "tier", "would_deny")} == {
        "account": "acme", "route": "trades", "status": 200, "units": "1", "mode": "exact", "tier": "free", "would_deny": "",
    }  # fmt: skip
    assert {"request_id", "key_id", "reason", "duration_us", "decision_us", "upstream_us"} <= found[0].keys()
    assert key not in text
    assert "planted-secret" not in text
    assert "005930" not in text
    assert "Injected" not in text


def test_the_next_line_says_how_many_were_dropped() -> None:
    """GW-773: nobody reads, figures go on, and the first line that is written again tells of the gap."""
    reader, writer = os.pipe()
    lines, registry = LineWriter(writer), Registry(METRICS)
    log = RequestLog(registry, lines, Overload(), enabled=True)
    lines.dropped = 3
    access = Access(
        "r", "GET", "trades", 200, "", "acme", "k", "free", 0, "exact", 1, "allowed", 0, 0, anonymous=False
    )
    log(access)
    log(access)
    lines.close()
    os.close(writer)
    with os.fdopen(reader) as file:
        assert [json.loads(line).get("lines_dropped") for line in file] == [3, None]
    assert registry.value(REQUESTS) == 2


@pytest.mark.parametrize(("worked", "level"), [(1.0, 3), (0.45, 2), (0.1, 0)])
async def test_a_level_is_for_what_the_worker_does_and_not_for_its_neighbours(
    tmp_path: Path, worked: float, level: int
) -> None:
    """GW-381: a loop that is 200 ms late, all by itself, half, or because others had the processor; there is less room in any case."""
    world = World(tmp_path)
    world.gateway.in_flight = 1_000
    began_ns = world.clock.monotonic_ns()
    watching = asyncio.create_task(
        watch_overload(
            world.gateway, world.clock, lambda: int((world.clock.monotonic_ns() - began_ns) * worked)
        )
    )
    for _ in range(8):
        for _ in range(5):
            await asyncio.sleep(0)
        world.clock.advance_ns(250_000_000)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    world.close()
    assert world.gate.overload.level == level
    assert world.gate.overload.room.found < 1_000


async def test_the_ladder_is_fed_from_the_loop(tmp_path: Path) -> None:
    """GW-381: every request in progress that is allowed is level 3 after a second."""
    world = World(tmp_path)
    world.gateway.in_flight = 2_000
    watching = asyncio.create_task(watch_overload(world.gateway, world.clock))
    levels = []
    for _ in range(24):
        for _ in range(5):
            await asyncio.sleep(0)
        world.clock.advance_ns(50_000_000)
        levels.append(world.gate.overload.level)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    world.close()
    assert (levels[0], levels[-1]) == (0, 3)
