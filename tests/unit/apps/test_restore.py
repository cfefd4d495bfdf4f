"""``veritape restore``."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.backup_world import World, world

from veritape.apps.audit import audit
from veritape.apps.restore import restore
from veritape.kernel.errors import CheckFailedError, MisuseError


@pytest.fixture
def one(tmp_path: Path) -> World:
    made = world(tmp_path)
    made.backup()
    return made


def run(*words: str) -> Result:
    return CliRunner().invoke(restore, list(words), standalone_mode=False)


def test_a_restored_day_can_be_audited_at_once(one: World, tmp_path: Path) -> None:
    """OB-761: and the seal before its first is enough for the chain."""
    result = run("--from", one.target.url, "--into", str(tmp_path / "back"), "--json")
    told = json.loads(result.stdout)
    assert (told["files"], told["manifest"], told["manifests_checked"]) == (7, "20131008-1", 2)
    audited = CliRunner().invoke(audit, ["--data", str(tmp_path / "back")], standalone_mode=False)
    assert (audited.return_value, audited.stderr) == (0, "")


def test_a_day_goes_into_a_folder_of_its_name(
    one: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OB-761."""
    monkeypatch.chdir(tmp_path)
    result = run("--from", one.target.url, "--day", "20131007", "--only", "trades/*")
    assert result.stdout.startswith("restored 2 files, ")
    assert "20131007-1 into restored-20131007; 2 manifests checked" in result.stdout
    again = run("--from", one.target.url, "--day", "20131007").exception
    assert isinstance(again, MisuseError)
    assert (again.exit_code, "is not empty" in again.message) == (2, True)


def test_the_first_configured_target_is_read(one: World, tmp_path: Path) -> None:
    settings = f'[observer]\ndata_dir = "{one.data}"\n[backup]\ntargets = ["{one.target.url}"]\n'
    (tmp_path / "c.toml").write_text(settings)
    assert run("--config", str(tmp_path / "c.toml"), "--into", str(tmp_path / "back")).exception is None
    assert b'"kind":"restore_made"' in next((one.data / "audit").glob("*.jsonl")).read_bytes()
    assert isinstance(run("--into", str(tmp_path / "x")).exception, MisuseError)


def test_what_cannot_be_restored(one: World, tmp_path: Path) -> None:
    """OB-761, OB-971: hash or chain failed: exit 1; nothing matches: exit 2."""
    missing = run("--from", one.target.url, "--only", "nothing").exception
    assert isinstance(missing, MisuseError)
    one.damage(".vtj")
    words = ("--from", one.target.url, "--into", str(tmp_path / "back"))
    corrupt = run(*words).exception
    assert isinstance(corrupt, CheckFailedError)
    one.cut_chain()
    broken = run("--from", one.target.url, "--into", str(tmp_path / "other")).exception
    assert isinstance(broken, CheckFailedError)
    assert broken.exit_code == 1
    assert not (tmp_path / "other").exists()
