"""Our gateway and its Redis as processes."""

import shutil
from pathlib import Path

import pytest

from veritape.apps.bench.gateway_server import gateway_server, redis_on_a_socket
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import UnavailableError


async def test_what_does_not_start_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-851: a gateway that refuses its configuration, and a Redis that is not installed."""
    with pytest.raises(UnavailableError, match="the gateway did not start"):
        async with gateway_server(tmp_path / "none.toml", SystemClock()):
            pass
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(UnavailableError, match="redis-server is missing"):
        async with redis_on_a_socket(tmp_path, SystemClock()):
            pass
