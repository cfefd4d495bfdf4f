"""Rows of decisions for Envoy, in a small size."""

import copy
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from veritape.apps.bench import gateway_envoy as module
from veritape.apps.bench import gateway_peers
from veritape.apps.bench.gateway_client import Target
from veritape.apps.bench.gateway_envoy import envoy_decisions
from veritape.apps.bench.gateway_peers import asking_config
from veritape.apps.bench.gateway_server import Server
from veritape.apps.bench.results import Size


def test_rows_of_a_real_envoy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """GW-611, GW-612: both rows of the specification, through Envoy, and what each party works for a call."""
    monkeypatch.setattr(module, "FLOOD_S", 1.0)
    rows = [row.document() for row in envoy_decisions(Size(runs=1))]
    assert [(row["name"], row["unit"], row["target"], row["goal"]) for row in rows if row["target"]] == [
        ("rls_per_second", "1/s", 5_000.0, 8_000.0),
        ("ext_authz_per_second", "1/s", 12_000.0, 18_000.0),
    ]
    assert [row["name"].rpartition("_us_")[2] for row in rows if row["unit"] == "us"] == 2 * PARTIES
    assert min(row["value"] for row in rows if row["unit"] == "1/s") > 0
    peers = {row["name"]: row["peer_value"] for row in rows if row["peer"]}
    assert list(peers) == ["ext_authz_per_second"]
    assert peers["ext_authz_per_second"] > 0
    assert capsys.readouterr().err.count("microseconds of processor time a request: decisions ") == 2


def test_envoy_is_configured_as_the_guide_says() -> None:
    """GW-613, GW-832: the bench's Envoy is the example's but for ports, patience and what a failed decision does."""
    example = yaml.safe_load((Path(__file__).parents[4] / "examples/envoy.yaml").read_text())
    bench = asking_config(10_000, 8_080, 8_003)
    ours, theirs = (_comparable(config["static_resources"]) for config in (bench, example))
    assert ours == theirs


def _comparable(resources: Any) -> Any:
    """Return what has to be alike, in one form."""
    (chain,) = resources["listeners"][0]["filter_chains"]
    manager = copy.deepcopy(chain["filters"][0]["typed_config"])
    authorize, limit = (one["typed_config"] for one in manager["http_filters"][:2])
    for service in (authorize["grpc_service"], limit["rate_limit_service"]["grpc_service"], limit):
        service.pop("timeout", None)
    authorize.pop("failure_mode_allow", None)
    limit.pop("failure_mode_deny")
    routes = json.loads(json.dumps(manager["route_config"]["virtual_hosts"]).replace('"one"', '"upstream"'))
    clusters = [
        {name: value for name, value in one.items() if name not in {"name", "load_assignment"}}
        for one in resources["clusters"]
    ]
    return manager["http_filters"], routes, manager["use_remote_address"], manager.keys(), clusters


PARTIES = ["decisions", "envoy", "upstream", "generator"]


@asynccontextmanager
async def nobody(_config: Path) -> AsyncIterator[Server]:
    """A service that is not there."""
    yield Server(Target("127.0.0.1", 1), 0)


def test_an_envoy_that_decides_nothing_counts_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """GW-611, GW-612: a decision that fails is no answer that counts: here nobody listens where Envoy asks."""
    monkeypatch.setattr(module, "FLOOD_S", 1.0)
    monkeypatch.setattr(module, "rate_limit_server", nobody)
    found = [row.document() for row in envoy_decisions(Size(runs=1))]
    assert [row["value"] for row in found if row["target"]] == [0.0, 0.0]
    said = capsys.readouterr().err
    assert "rls_per_second met {500:" in said
    assert "ext_authz_per_second met {403:" in said


def test_without_envoy_it_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Issue 6: a missing peer is one line."""
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setattr(gateway_peers, "TOOLS", tmp_path / "none")
    assert list(envoy_decisions(Size(runs=1))) == []
    assert "are not measured: no Envoy" in capsys.readouterr().err
