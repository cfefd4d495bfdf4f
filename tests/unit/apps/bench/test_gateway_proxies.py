"""Rows of the whole way through the gateway, in a small size."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from veritape.apps.bench import gateway_proxies as module
from veritape.apps.bench.gateway_proxies import ENVOY, NGINX, per_core_rows, proxies
from veritape.apps.bench.results import Size
from veritape.kernel.errors import UnavailableError


def test_rows_beside_nginx_and_envoy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 6: the rows of the specification, peers in the same run."""
    monkeypatch.setattr(module, "FLOOD_S", 1.0)
    rows = [row.document() for row in proxies(Size(runs=1, seconds=0.5))]
    assert [(row["name"], row["unit"], row["peer"], row["runs"]) for row in rows] == [
        ("gateway_memory_per_core", "1/s", ENVOY, 1),
        ("gateway_memory_per_core_nginx", "1/s", NGINX, 1),
    ]
    assert rows[0]["target"] == pytest.approx(0.75 * rows[0]["goal"])
    assert rows[0]["peer_value"] > 0


def test_without_peers_ours_stands_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 6: a missing peer is one line and never a failed benchmark."""

    @asynccontextmanager
    async def none(*_: object) -> AsyncIterator[None]:
        raise UnavailableError("planted")
        yield

    for name, value in (
        ("envoy", none),
        ("nginx", none),
    ):
        monkeypatch.setattr(module, name, value)
    rows = [row.document() for row in proxies(Size(runs=1, seconds=0.5))]
    assert [(row["name"], row["target"], row["ratio"]) for row in rows] == [
        ("gateway_memory_per_core", None, None)
    ]
    said = capsys.readouterr().err
    assert f"{ENVOY} is not measured: planted" in said
    assert f"{NGINX} is not measured: planted" in said


def test_the_target_is_three_quarters_of_envoy() -> None:
    first, second = per_core_rows({"veritape": [3.0], ENVOY: [4.0, 8.0, 6.0], NGINX: [9.0]})
    assert (first.target, first.goal, first.document()["ratio"]) == (4.5, 6.0, 0.5)
    assert second.document()["ratio"] == pytest.approx(0.333)
