"""Rows of the whole way through the gateway, in a small size."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from veritape.apps.bench import gateway_proxies as module
from veritape.apps.bench.gateway_client import Target
from veritape.apps.bench.gateway_proxies import ENVOY, NGINX, per_core_rows, proxies
from veritape.apps.bench.gateway_server import Server
from veritape.apps.bench.gateway_upstream import upstream_process
from veritape.apps.bench.results import Row, Size
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import UnavailableError


def test_rows_beside_nginx_and_envoy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 6: the rows of the specification, peers in the same run; what else the machine did is said."""
    monkeypatch.setattr(module, "FLOOD_S", 0.2)
    monkeypatch.setattr(module, "WARM_S", 0.1)
    monkeypatch.setattr(module, "OPEN_RATE", 50)
    rows = [row.document() for row in proxies(Size(runs=2, seconds=0.5))]
    assert [(row["name"], row["unit"], row["peer"], row["runs"]) for row in rows] == [
        ("gateway_memory_per_core", "1/s", ENVOY, 2),
        ("gateway_memory_per_core_nginx", "1/s", NGINX, 2),
        ("gateway_redis_two_cores", "1/s", "", 2),
        ("gateway_redis_two_cores_errors", "%", "", 2),
        ("open_loop_10k_p95", "ms", "", 1),
    ]
    assert rows[0]["target"] == pytest.approx(0.75 * rows[0]["goal"])
    assert rows[0]["peer_value"] > 0
    assert rows[2]["value"] > 0
    assert "of the machine worked for others" in capsys.readouterr().err


def test_without_peers_ours_stands_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 6: a missing peer is one line and never a failed benchmark."""

    @asynccontextmanager
    async def none(*_: object) -> AsyncIterator[None]:
        raise UnavailableError("planted")
        yield

    async def no_rows(_size: Size) -> list[Row]:
        return []

    for name, value in (
        ("envoy", none),
        ("nginx", none),
        ("_with_redis", no_rows),
        ("FLOOD_S", 0.1),
        ("WARM_S", 0.1),
    ):
        monkeypatch.setattr(module, name, value)
    rows = [row.document() for row in proxies(Size(runs=1, seconds=0.5))]
    assert [(row["name"], row["target"], row["ratio"]) for row in rows] == [
        ("gateway_memory_per_core", None, None)
    ]
    said = capsys.readouterr().err
    assert f"{ENVOY} is not measured: planted" in said
    assert f"{NGINX} is not measured: planted" in said


async def test_a_generator_that_is_too_slow_measures_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """GW-852: an open loop above 80 % of the generator's ceiling is not run."""
    monkeypatch.setattr(module, "FLOOD_S", 0.1)
    monkeypatch.setattr(module, "OPEN_RATE", 10**9)
    with upstream_process() as port:
        bench = module.Bench(Path(), Target("127.0.0.1", port), SystemClock(), "key")
        assert await module._open_loop(Server(bench.upstream, 0), bench, 1.0) == []
    assert "open_loop_10k_p95 is not measured: the generator reaches" in capsys.readouterr().err


def test_the_target_is_three_quarters_of_envoy() -> None:
    first, second = per_core_rows({"veritape": [3.0], ENVOY: [4.0, 8.0, 6.0], NGINX: [9.0]})
    assert (first.target, first.goal, first.document()["ratio"]) == (4.5, 6.0, 0.5)
    assert second.document()["ratio"] == pytest.approx(0.333)
