"""The upstream behind the measured gateways."""

import shutil
from pathlib import Path

import httpx
import pytest
from tests.waiting import PATIENCE_S

from veritape.apps.bench.gateway_origin import origin
from veritape.apps.bench.gateway_server import Server
from veritape.kernel.clock import SystemClock


async def answers(server: Server) -> list[tuple[int, str, object]]:
    """Ask twice on one connection, once with a body."""
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{server.target.port}", timeout=PATIENCE_S
    ) as client:
        found = [await client.get("/one"), await client.post("/compare", json={"items": []})]
        return [(one.status_code, one.headers["content-type"], one.json()) for one in found]


async def test_nginx_answers_by_itself(tmp_path: Path) -> None:
    """GW-851: one process whose work can be told; requests with and without a body."""
    async with origin(tmp_path, SystemClock()) as server:
        assert await answers(server) == [(200, "application/json", {})] * 2
        assert b"nginx" in Path(f"/proc/{server.pid}/cmdline").read_bytes()
        assert Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text() == ""


async def test_without_nginx_ours_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """GW-851: a program that is not installed is one line."""
    monkeypatch.setattr(shutil, "which", lambda _name, path=None: None)
    async with origin(tmp_path, SystemClock()) as server:
        assert await answers(server) == [(200, "application/json", {})] * 2
    assert "the upstream is our own" in capsys.readouterr().err
