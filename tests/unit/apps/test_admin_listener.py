"""The admin API's listener and token."""

import contextlib
import json
import signal
import socket
import stat
from pathlib import Path

import httpx
import pytest
from tests.servers.gateway_process import gateway_process, made_key, printed
from tests.waiting import PATIENCE_S

from veritape.apps.admin_listener import bind_admin, load_token, shown_address
from veritape.kernel.errors import MisuseError, UnavailableError


@pytest.mark.parametrize("text", ["0.0.0.0:8001", "192.0.2.1:8001", "[::]:8001", "example.com:8001"])
def test_another_address_is_refused(text: str) -> None:
    """GW-701: ``admin_exposed``."""
    with pytest.raises(MisuseError, match="admin_exposed"):
        bind_admin(text, any_port=True, shared=False)


def test_off_and_busy(tmp_path: Path) -> None:
    """GW-701, GW-941: an empty setting is off; a busy address is named with its setting."""
    assert bind_admin("", any_port=False, shared=False) is None
    listener = bind_admin("127.0.0.1:8001", any_port=True, shared=False)
    assert listener is not None
    with (
        contextlib.closing(listener),
        pytest.raises(UnavailableError, match=r"veritape: choose listen\.admin"),
    ):
        bind_admin(shown_address(listener).removeprefix("http://"), any_port=False, shared=False)


def test_a_unix_socket_is_private_and_a_dead_one_is_replaced(tmp_path: Path) -> None:
    """GW-701: mode 0600; what a killed gateway left does not hinder the next."""
    path = tmp_path / "admin.sock"
    for _ in range(2):
        listener = bind_admin(str(path), any_port=False, shared=False)
        assert listener is not None
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert shown_address(listener) == f"unix:{path}"
        assert bind_admin(str(path), any_port=False, shared=True) is None
        listener.close()
    with socket.socket(socket.AF_UNIX) as living:
        path.unlink()
        living.bind(str(path))
        living.listen()
        with pytest.raises(UnavailableError, match="cannot listen"):
            bind_admin(str(path), any_port=False, shared=False)


def test_the_token_is_made_once_and_private(tmp_path: Path) -> None:
    """GW-701: a file of mode 0600 with at least 32 characters."""
    token = load_token(tmp_path, None)
    assert load_token(tmp_path, None) == token
    path = tmp_path / "admin-token"
    assert (len(token) >= 32, stat.S_IMODE(path.stat().st_mode)) == (True, 0o600)
    path.chmod(0o640)
    with pytest.raises(MisuseError, match="admin_token_mode"):
        load_token(tmp_path, None)
    path.chmod(0o600)
    path.write_text("short\n")
    with pytest.raises(MisuseError, match="admin_token_short"):
        load_token(tmp_path, path)
    with pytest.raises(MisuseError, match="admin_token_missing"):
        load_token(tmp_path, tmp_path / "none")


def test_a_running_gateway_is_administered(tmp_path: Path) -> None:
    """GW-701, GW-702, GW-906, GW-977: over a unix socket; no secret is in a log, an error or the ledger."""
    config, socket_path = tmp_path / "gateway.toml", tmp_path / "admin.sock"
    config.write_text(
        f'data_dir = "{tmp_path / "data"}"\ntelemetry = {{ listen = "" }}\nlisten = {{ admin = "{socket_path}" }}\n'
    )
    with gateway_process(config) as gateway:
        gateway.get("/health")
        token = (tmp_path / "data" / "admin-token").read_text().strip()
        transport = httpx.HTTPTransport(uds=str(socket_path))
        with httpx.Client(
            transport=transport,
            base_url="http://admin/admin/v1",
            headers={"X-API-Key": token},
            timeout=PATIENCE_S,
        ) as client:
            assert client.post("/accounts", json={"id": "acme", "tier": "free"}).status_code == 201
            key = client.post("/accounts/acme/keys", json={"scopes": ["admin:read"]}).json()["key"]
            assert client.get("/state", headers={"X-API-Key": key}).json()["quota"] == "healthy"
            planted = {"X-API-Key": "planted-secret-" + "x" * 40}
            assert client.get("/state", headers=planted).status_code == 401
            for account in ("bolt", "cord"):  # seen although the gateway has the file open twice
                made = made_key(config, account, "--scope", "admin:read")
                assert client.get("/state", headers={"X-API-Key": made}).status_code == 200
        assert gateway.get("/admin/v1/state", {"X-API-Key": token}).status_code == 404
        status, output = gateway.end(signal.SIGTERM)
    assert (status, f"admin API on unix:{socket_path}" in output) == (0, True)
    kept = [path for path in (tmp_path / "data").rglob("*") if path.is_file() and path.name != "admin-token"]
    for text in (output.encode(), *(path.read_bytes() for path in kept)):
        assert not any(secret.encode() in text for secret in (token, key, "planted-secret"))
    assert json.loads(printed("audit", "--log", "--json", "--data", tmp_path / "data"))
