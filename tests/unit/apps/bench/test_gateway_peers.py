"""nginx and Envoy do for a request what our gateway does."""

import shutil
from pathlib import Path

import httpx
import pytest
from tests.waiting import PATIENCE_S

from veritape.apps.bench import gateway_peers
from veritape.apps.bench.gateway_peers import envoy, nginx
from veritape.apps.bench.gateway_upstream import upstream_process
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import UnavailableError

KEY = "vt_live_" + "k" * 40
CLOCK = SystemClock()


async def asked(port: int, key: str, times: int) -> list[httpx.Response]:
    """Ask one after another."""
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": key}, timeout=PATIENCE_S
    ) as client:
        return [await client.get("/one") for _ in range(times)]


@pytest.mark.parametrize(
    ("start", "stranger", "field"), [(nginx, 401, "ratelimit-policy"), (envoy, 404, "x-ratelimit-limit")]
)
async def test_a_peer_knows_the_key_and_limits_by_rate(
    start: object, stranger: int, field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 6: key, limit, fields and proxying: a stranger has no way in, and what comes too fast is refused."""
    monkeypatch.setattr(gateway_peers, "LIMIT", 2)
    monkeypatch.setattr(
        gateway_peers,
        "NGINX",
        gateway_peers.NGINX.replace("rate=RATEr/s", "rate=1r/m").replace("burst=10000", "burst=1"),
    )
    with upstream_process() as upstream:
        async with start(tmp_path, upstream.target.port, KEY, CLOCK) as server:  # type: ignore[operator]  # either of two functions
            assert [answer.status_code for answer in await asked(server.target.port, "other", 1)] == [
                stranger
            ]
            answers = await asked(server.target.port, KEY, 3)
    assert (answers[0].status_code, answers[-1].status_code) == (200, 429)
    assert answers[0].json() == {}
    assert field in answers[0].headers


@pytest.mark.parametrize(("start", "name"), [(nginx, "nginx"), (envoy, "Envoy")])
async def test_a_peer_that_is_not_here_is_said(
    start: object, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 6: one line with the remedy."""
    monkeypatch.setattr(shutil, "which", lambda _name, path=None: None)
    monkeypatch.setattr(gateway_peers, "TOOLS", tmp_path / "none")
    with pytest.raises(UnavailableError, match=f"no {name}: scripts/install-test-servers installs it"):
        async with start(tmp_path, 1, KEY, CLOCK):  # type: ignore[operator]  # either of two functions
            pass


async def test_a_peer_that_ends_at_once_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_peers, "NGINX", "planted")
    with pytest.raises(UnavailableError, match="nginx ends at once with 1"):
        async with nginx(tmp_path, 1, KEY, CLOCK):
            pass
