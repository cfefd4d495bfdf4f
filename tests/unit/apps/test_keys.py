"""``veritape keys``: what it prints and refuses."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from veritape.apps.keys import keys
from veritape.gateway.keys import is_well_formed
from veritape.kernel.errors import MisuseError, UnavailableError, VeritapeError
from veritape.telemetry.adapters.audit_files import log_files, verify_files


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(f'data_dir = "{tmp_path / "data"}"\n')
    return path


def call(config: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(keys, [*arguments, "--config", str(config)])
    if isinstance(result.exception, VeritapeError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_a_key_is_printed_once_and_listed_by_its_prefix(config: Path) -> None:
    """GW-405, GW-703: the key on standard output alone; lists show its first characters."""
    result = call(config, "create", "acme", "--tier", "free", "--label", "desk", "--expires", "90d")
    key = result.stdout.strip()
    assert is_well_formed(key)
    listed = json.loads(call(config, "list", "acme", "--json").stdout)
    assert [(row["shown"], row["tier"], row["state"], row["last_used"]) for row in listed] == [
        (key[:14], "free", "active", "never")
    ]
    assert key not in call(config, "list").stdout
    assert key[:14] in call(config, "list").stdout


def test_rotate_and_revoke(config: Path) -> None:
    """GW-405: the new key is printed once; a revoked one leaves the list, not ``--all``."""
    made = json.loads(call(config, "create", "acme", "--tier", "pro", "--env", "test", "--json").stdout)
    rotated = json.loads(call(config, "rotate", made["id"], "--overlap", "1h", "--json").stdout)
    assert is_well_formed(rotated["key"])
    assert rotated["key"].startswith("vt_test_")
    assert f"{made['id']} is revoked since 20" in call(config, "revoke", made["id"], "--reason", "x").stdout
    assert [row["id"] for row in json.loads(call(config, "list", "--json").stdout)] == [rotated["id"]]
    assert len(json.loads(call(config, "list", "--all", "--json").stdout)) == 2


def test_a_key_can_begin_later_and_be_bound(config: Path) -> None:
    """GW-404, GW-703: a pending key is listed as such; when a revocation acts everywhere is told."""
    made = json.loads(
        call(
            config, "create", "acme", "--tier", "free", "--not-before", "7d", "--expires", "8d", "--cidr", "10.0.0.0/8",
            "--scope", "bars:read", "--label", "desk", "--json",
        ).stdout
    )  # fmt: skip
    listed = json.loads(call(config, "list", "--json").stdout)
    assert [(row["state"], row["scopes"], row["label"]) for row in listed] == [
        ("pending", "bars:read", "desk")
    ]
    assert ", everywhere from 20" in call(config, "revoke", made["id"]).stdout
    with pytest.raises(MisuseError, match="--expires: after --not-before"):
        call(config, "create", "acme", "--not-before", "7d", "--expires", "7d")
    with pytest.raises(MisuseError, match="--not-before: a number and s, m, h or d"):
        call(config, "create", "acme", "--not-before", "soon")


def test_every_change_is_in_the_audit_log_before_it_is_kept(config: Path, tmp_path: Path) -> None:
    """TL-660, GW-703: who did what to which key, never the key; without a log nothing is changed."""
    key = json.loads(call(config, "create", "acme", "--tier", "pro", "--json").stdout)
    call(config, "rotate", key["id"])
    call(config, "revoke", key["id"], "--reason", "leaked")
    data = tmp_path / "data"
    assert verify_files(data).seq == 3
    text = log_files(data / "audit")[0].read_text()
    records = [json.loads(line) for line in text.splitlines()]
    assert [one["kind"] for one in records] == ["key_created", "key_rotated", "key_revoked"]
    assert [one["subject"] for one in records] == [f"key:{key['id']}"] * 3
    assert (records[0]["detail"]["tier"], records[2]["detail"]["reason"]) == ("pro", "leaked")
    assert key["key"] not in text
    shutil.rmtree(data / "audit")
    (data / "audit").write_text("no folder")
    with pytest.raises(UnavailableError, match="the audit log"):
        call(config, "create", "other", "--tier", "pro")
    assert json.loads(call(config, "list", "other", "--json").stdout) == []


def test_an_empty_list_says_how_a_key_is_made(config: Path) -> None:
    """GW-941: beside stdout, which stays what a program may read."""
    found = call(config, "list")
    assert (found.stdout, found.stderr.startswith("no keys: veritape keys create ACCOUNT")) == ("", True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["create", "a b", "--tier", "free"], "ACCOUNT: 1 to 64"),
        (["create", "acme", "--tier", "gold"], "known are free, enterprise, partner, pro"),
        (["create", "acme", "--tier", "free", "--scope", "x"], "known are bars:read, completeness:read"),
        (["create", "acme", "--tier", "free", "--expires", "1y"], "--expires: a number and s, m, h or d"),
        (["create", "acme", "--tier", "free", "--cidr", "x"], "--cidr: 'x' is no address prefix"),
        (["create", "acme"], "is new: give --tier"),
        (["rotate", "key_x"], "no key has the id"),
        (["revoke", "key_x"], "no key has the id"),
    ],
)
def test_bad_input_is_one_line(config: Path, arguments: list[str], message: str) -> None:
    """GW-941: names what is wrong and what is known, exit 2."""
    with pytest.raises(MisuseError) as refusal:
        call(config, *arguments)
    assert message in refusal.value.message
    assert "\n" not in refusal.value.message
