"""Rows of decisions for Envoy, in a small size."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from veritape.apps.bench import gateway_envoy as module
from veritape.apps.bench import gateway_peers
from veritape.apps.bench.gateway_client import Target
from veritape.apps.bench.gateway_envoy import envoy_decisions
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
    assert capsys.readouterr().err.count("microseconds of processor time a request: decisions ") == 2


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
