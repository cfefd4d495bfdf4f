"""Keys through the admin API of a real gateway."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.servers.gateway_process import GatewayProcess, gateway_process

from veritape.apps.keys import keys
from veritape.gateway.keys import is_well_formed
from veritape.kernel.errors import MisuseError, VeritapeError


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, GatewayProcess]]:
    folder = tmp_path_factory.mktemp("gateway")
    config = folder / "gateway.toml"
    config.write_text(
        f'data_dir = "{folder / "data"}"\ntelemetry = {{ listen = "" }}\nlisten = {{ admin = "{folder / "a.sock"}" }}\n'
    )
    with gateway_process(config) as gateway:
        gateway.get("/health")
        yield folder, gateway


def call(folder: Path, *arguments: str) -> str:
    token = folder / "data" / "admin-token"
    options = ["--admin", f"unix:{folder / 'a.sock'}", "--admin-token", str(token)]
    result = CliRunner().invoke(keys, [*options, *arguments])
    if isinstance(result.exception, VeritapeError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_create_list_rotate_and_revoke(served: tuple[Path, GatewayProcess]) -> None:
    """GW-703: the commands through the admin API: the key once on standard output, lists by its first characters."""
    folder, _ = served
    key = call(folder, "create", "acme", "--tier", "free", "--label", "desk").strip()
    assert is_well_formed(key)
    (row,) = json.loads(call(folder, "list", "acme", "--json"))
    assert (row["shown"], row["label"], row["state"]) == (key[:14], "desk", "active")
    assert is_well_formed(call(folder, "rotate", row["id"], "--overlap-s", "0").strip())
    assert len(json.loads(call(folder, "list", "acme", "--all", "--json"))) == 2
    (new,) = json.loads(call(folder, "list", "acme", "--json"))
    assert call(folder, "revoke", new["id"], "--reason", "x") == f"{new['id']} is revoked\n"
    assert call(folder, "list", "acme") == ""
    assert key[:14] in call(folder, "list", "acme", "--all")


def test_what_the_gateway_refuses_is_told(served: tuple[Path, GatewayProcess]) -> None:
    """GW-703, GW-941: exit 2 with the gateway's own reason."""
    folder, _ = served
    with pytest.raises(MisuseError, match="invalid_body: tier: known are"):
        call(folder, "create", "bolt", "--tier", "gold")
    with pytest.raises(MisuseError, match="'bolt' is new: give --tier"):
        call(folder, "create", "bolt")
    with pytest.raises(MisuseError, match="not_found"):
        call(folder, "revoke", "key_none")
