"""The audit log where settings say, and its check by command."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from tests.servers.postgres_process import PostgresProcess, postgres_process

from veritape.apps.audit import audit
from veritape.apps.audit_trail import opened_audit
from veritape.apps.keys import keys
from veritape.apps.serve import gateway_settings
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import CheckFailedError, UnavailableError


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresProcess]:
    with postgres_process() as process:
        yield process


def configured(folder: Path, url: str) -> Path:
    pepper, config = folder / "pepper", folder / "gateway.toml"
    pepper.write_bytes(bytes(range(32)))
    pepper.chmod(0o600)
    config.write_text(f'data_dir = "{folder / "data"}"\n[keys]\nurl = "{url}"\npepper_file = "{pepper}"\n')
    return config


def test_changes_of_keys_are_recorded_beside_the_keys(postgres: PostgresProcess, tmp_path: Path) -> None:
    """GW-704, GW-977, TL-668: in the table, no file; ``audit --log`` follows the chain and names a planted edit."""
    url = postgres.database()
    config = str(configured(tmp_path, url))
    for arguments in (["create", "acme", "--tier", "free"], ["revoke", "KEY", "--reason", "leaked"]):
        if "KEY" in arguments:
            (row,) = json.loads(CliRunner().invoke(keys, ["list", "--json", "--config", config]).stdout)
            arguments[1] = row["id"]
        assert CliRunner().invoke(keys, [*arguments, "--config", config]).exit_code == 0
    with opened_audit(gateway_settings(Path(config)), SystemClock()) as log:
        records = [json.loads(line) for line in log.lines()]
    assert [(one["kind"], one["subject"]) for one in records] == [
        ("key_created", f"key:{row['id']}"),
        ("key_revoked", f"key:{row['id']}"),
    ]
    assert records[1]["detail"]["reason"] == "leaked"
    assert not (tmp_path / "data" / "audit").exists()
    checked = CliRunner().invoke(audit, ["--log", "--gateway", config])
    assert checked.stdout.startswith(
        "audit log of table audit_record of keys.url: 2 records, the chain holds, head "
    )
    assert (
        json.loads(CliRunner().invoke(audit, ["--log", "--gateway", config, "--json"]).stdout)["records"] == 2
    )
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM audit_record WHERE seq = 1")
    with pytest.raises(CheckFailedError, match="line 1: its hash does not follow"):
        CliRunner().invoke(audit, ["--log", "--gateway", config], catch_exceptions=False)


def test_a_change_that_cannot_be_recorded_is_refused(postgres: PostgresProcess, tmp_path: Path) -> None:
    """GW-704: a newer audit table keeps every change from being made."""
    url = postgres.database()
    config = str(configured(tmp_path, url))
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE audit_layout(version INTEGER PRIMARY KEY)")
        connection.execute("INSERT INTO audit_layout VALUES (9)")
    with pytest.raises(UnavailableError, match="of version 9"):
        CliRunner().invoke(
            keys, ["create", "acme", "--tier", "free", "--config", config], catch_exceptions=False
        )
    assert CliRunner().invoke(keys, ["list", "--config", config]).stdout == ""


def test_without_a_database_the_log_is_in_files(tmp_path: Path) -> None:
    """GW-704: below the data directory; the same check."""
    config = tmp_path / "gateway.toml"
    config.write_text(f'data_dir = "{tmp_path / "data"}"\n')
    assert (
        CliRunner().invoke(keys, ["create", "acme", "--tier", "free", "--config", str(config)]).exit_code == 0
    )
    assert list((tmp_path / "data" / "audit").glob("*.jsonl"))
    checked = CliRunner().invoke(audit, ["--log", "--gateway", str(config)])
    assert checked.stdout.startswith(f"audit log of {tmp_path / 'data'}: 1 records")
