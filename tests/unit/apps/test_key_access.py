"""The key store as settings name it; ``veritape keys`` upon PostgreSQL."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.servers.postgres_process import PostgresProcess, postgres_process

from veritape.apps.key_access import open_keys
from veritape.apps.keys import keys
from veritape.apps.serve import gateway_settings
from veritape.gateway.settings import GatewaySettings, KeySettings
from veritape.kernel.errors import MisuseError, UnavailableError


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresProcess]:
    with postgres_process() as process:
        yield process


def configured(folder: Path, url: str, name: str) -> Path:
    """Write the settings of one machine."""
    pepper, config = folder / "pepper", folder / f"{name}.toml"
    pepper.write_bytes(bytes(range(32)))
    pepper.chmod(0o600)
    config.write_text(f'data_dir = "{folder / name}"\n[keys]\nurl = "{url}"\npepper_file = "{pepper}"\n')
    return config


def run(*arguments: str) -> str:
    result = CliRunner().invoke(keys, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_commands_of_two_machines_share_keys(postgres: PostgresProcess, tmp_path: Path) -> None:
    """GW-404, GW-703: created on one, listed and rotated on the other, revoked again on the first; no file of keys is made."""
    url = postgres.database()
    one, two = (str(configured(tmp_path, url, name)) for name in ("one", "two"))
    made = json.loads(run("create", "acme", "--tier", "free", "--label", "desk", "--json", "--config", one))
    (listed,) = json.loads(run("list", "--json", "--config", two))
    assert (listed["id"], listed["state"], listed["label"]) == (made["id"], "active", "desk")
    rotated = json.loads(run("rotate", made["id"], "--overlap", "1h", "--json", "--config", two))
    assert run("revoke", rotated["id"], "--reason", "leaked", "--config", one).startswith(
        f"{rotated['id']} is revoked"
    )
    states = {row["id"]: row["state"] for row in json.loads(run("list", "--all", "--json", "--config", two))}
    assert states == {made["id"]: "active", rotated["id"]: "revoked"}
    store, _ = open_keys(gateway_settings(Path(two)))
    found = store.find(made["key"])
    store.close()
    assert found is not None
    assert found.replaced_by == rotated["id"]
    assert not list(tmp_path.glob("*/keys.db*"))


def test_shared_keys_need_a_shared_pepper(tmp_path: Path) -> None:
    """GW-403: a pepper that each machine makes for itself would find no key of the others."""
    settings = GatewaySettings(data_dir=tmp_path, keys=KeySettings(url="postgresql://localhost/keys"))
    with pytest.raises(MisuseError, match=r"keys\.url needs keys\.pepper_file"):
        open_keys(settings)


def test_a_database_that_is_away_is_one_line(tmp_path: Path) -> None:
    """GW-418: said when it is asked."""
    config = configured(tmp_path, "postgresql://127.0.0.1:1/keys", "one")
    store, _ = open_keys(gateway_settings(config))
    with pytest.raises(UnavailableError, match="the key store does not answer: "):
        store.list()
    store.close()
