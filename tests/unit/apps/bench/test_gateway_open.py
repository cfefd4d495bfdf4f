"""Rows of the open loop."""

import resource
from array import array
from collections import Counter
from typing import cast

import pytest
from tests.servers.answering_peer import answering_peer

from veritape.apps.bench import gateway_open as module
from veritape.apps.bench.gateway_client import Target
from veritape.apps.bench.gateway_flood import Tally
from veritape.apps.bench.gateway_open import highest_rate, kept_rows, open_loop_rows
from veritape.apps.bench.gateway_upstream import upstream_process
from veritape.kernel.clock import SystemClock

CLOCK = SystemClock()
REQUEST = b"GET / HTTP/1.1\r\n\r\n"
GOOD = Tally(Counter({200: 1_000}), array("q", [1_000_000] * 1_000), 1.0)
SLOW = Tally(Counter({200: 1_000}), array("q", [90_000_000] * 1_000), 1.0)


async def steps(
    monkeypatch: pytest.MonkeyPatch, holds: int, first: float, most: float, unlucky: int = -1
) -> tuple[float, list[int]]:
    """Return the highest rate and those that were tried; a rate holds up to a bound, one try is slow all the same."""
    monkeypatch.setattr(module, "REST_S", 0.0)
    tried: list[int] = []

    async def attempt(rate: int) -> Tally:
        tried.append(rate)
        return GOOD if rate <= holds and len(tried) - 1 != unlucky else SLOW

    return await highest_rate(attempt, first, most, CLOCK), tried


async def test_steps_rise_until_one_fails_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-852: 100, 120, 144: the last one that held is told; no step follows one that failed twice."""
    assert await steps(monkeypatch, 140, 100.0, 1_000.0) == (120.0, [100, 120, 144, 144])
    assert await steps(monkeypatch, 140, 100.0, 1_000.0, 1) == (120.0, [100, 120, 120, 144, 144])
    assert await steps(monkeypatch, 10, 100.0, 1_000.0) == (0.0, [100, 100])
    assert await steps(monkeypatch, 1_000, 100.0, 120.0) == (120.0, [100, 120])
    assert await steps(monkeypatch, 1_000, 100.0, 50.0) == (0.0, [])


async def test_a_peer_that_stands_still_holds_no_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-852: both rows measure from when a request was due: a peer that always takes 80 ms holds none; the queue is named."""
    monkeypatch.setattr(module, "REST_S", 0.0)
    monkeypatch.setattr(module, "STEP_S", 0.2)
    monkeypatch.setattr(module, "CEILING_S", 0.1)
    monkeypatch.setattr(module, "OPEN_RATE", 50)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    with upstream_process() as upstream:
        async with answering_peer(lambda _: (0.08, answer)) as late:
            best, row = await open_loop_rows(late, upstream.target, REQUEST, 100.0, 0.4, CLOCK)
    assert (best.name, best.values) == ("open_loop_rate_p95_50ms", [0.0])
    assert (row.name, row.document()["meets"]) == ("open_loop_10k_p95", False)
    assert row.values[0] > 70  # timers round


async def test_a_generator_that_is_too_slow_measures_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """GW-852: an open loop above 80 % of the generator's ceiling is not run."""
    monkeypatch.setattr(module, "CEILING_S", 0.1)
    monkeypatch.setattr(module, "OPEN_RATE", 10**9)
    with upstream_process() as upstream:
        rows = await open_loop_rows(upstream.target, upstream.target, REQUEST, 1e12, 1.0, CLOCK)
    assert [row.name for row in rows] == ["open_loop_rate_p95_50ms"]
    assert "open_loop_10k_p95 is not measured: the generator reaches" in capsys.readouterr().err


async def test_what_is_left_beyond_capacity_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """GW-381, GW-852: of a peer that is beside itself at more than it can do little is left; what the generator did not send is told apart."""
    monkeypatch.setattr(module, "REST_S", 0.0)
    monkeypatch.setattr(module, "KEPT_S", 1.0)
    late = Tally(
        Counter({200: 1_000, 503: 300, 0: 2_700}),
        GOOD.latencies_ns,
        1.0,
        2_600,
        300,
        array("q", [80_000_000] * 9),
    )
    loads = {(2_000, 1_000): GOOD._replace(in_time=1_000), (4_000, 1_000): late, (4_000, 4_000): GOOD}

    async def flooded(*_: object) -> Tally:
        return GOOD

    async def offered(_target: object, _octets: bytes, rate: int, *more: object) -> Tally:
        return loads[rate, cast("int", more[-1])]

    monkeypatch.setattr(module, "flood", flooded)
    monkeypatch.setattr(module, "open_loop", offered)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (4_200, 4_200))
    told = iter(range(100))

    def works() -> float:
        return next(told) ** 2 / 10

    rows = await kept_rows(Target("", 0), REQUEST, 4_000, CLOCK, works)
    assert [(row.name, row.values, row.document()["meets"]) for row in rows] == [
        ("open_loop_kept_2x", [1.0], True),
        ("open_loop_kept_2x_p95", [0.0], None),
        ("open_loop_kept_4x", [0.3], False),
        ("open_loop_kept_4x_p95", [80.0], None),
        ("open_loop_kept_4x_refusing", [0.0], False),
        ("open_loop_kept_4x_refusing_p95", [0.0], None),
    ]
    said = capsys.readouterr().err
    assert ", the gateway 900 us for each that it served, 100 at its capacity" in said
    assert (
        "open_loop_kept_4x: 1,000 x 200, 300 x 503; 100 sent and not answered when it ended; 2,600 never sent, because 1,000 connections waited for "
        "answers; of 100 that were served 95 took 80 ms at most; the generator worked "
    ) in said
    monkeypatch.setattr(resource, "getrlimit", lambda _: (4_199, 4_199))
    rows = await kept_rows(Target("", 0), REQUEST, 4_000, CLOCK, works)
    assert [row.name for row in rows][2::2] == ["open_loop_kept_4x"]
    assert "open_loop_kept_4x_refusing is not measured: it needs 4,000 connections" in capsys.readouterr().err
    rows = await kept_rows(Target("", 0), REQUEST, 3_999, CLOCK, works)
    assert [row.name for row in rows][::2] == ["open_loop_kept_2x"]
    assert "open_loop_kept_4x is not measured: it needs 4,000 requests/s" in capsys.readouterr().err
