"""``veritape drill``."""

import json
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.backup_world import DAMAGES, World, world

from veritape.apps.drill import drill
from veritape.kernel.errors import MisuseError
from veritape.observer.adapters.backup.records import Records


@pytest.fixture
def one(tmp_path: Path) -> World:
    made = world(tmp_path)
    made.backup()
    return made


def run(one: World, *words: str) -> Result:
    return CliRunner().invoke(drill, ["--from", one.target.url, *words], standalone_mode=False)


def test_a_good_drill_exits_0_and_its_time_is_kept(one: World, tmp_path: Path) -> None:
    """OB-762: files, bytes, lines compared, differences, seconds; the time of the last good drill is exposed."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    result = run(one, "--data", str(one.data), "--scratch", str(scratch), "--json")
    told = json.loads(result.stdout)
    assert (result.return_value, told["passed"], told["files"], told["lines"]) == (0, True, 7, 2)
    assert told["differences"] == []
    assert told["bytes"] > 1000
    assert told["duration_ms"] > 0
    assert list(scratch.iterdir()) == [], "what was restored is deleted"
    state = Records(one.data).state()
    assert (state.drill_ns > 0, state.drill_failed_ns) == (True, 0)
    assert b'"kind":"drill_result"' in next((one.data / "audit").glob("*.jsonl")).read_bytes()


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_exits_1_with_its_reason(one: World, damage: str) -> None:
    """OB-763, OB-971: any difference is exit 1."""
    spoil, reason = DAMAGES[damage]
    spoil(one)
    result = run(one, "--data", str(one.data))
    assert (result.return_value, "FAILED" in result.stdout, f"  {reason}: " in result.stdout) == (
        1,
        True,
        True,
    )
    state = Records(one.data).state()
    assert (state.drill_ns, state.drill_failed_ns > 0) == (0, True)


def test_a_machine_that_has_only_the_backup_can_drill(one: World) -> None:
    result = run(one, "--day", "20131007")
    assert (result.return_value, "passed; 6 files" in result.stdout) == (0, True)
    assert Records(one.data).state().drill_ns == 0
    assert isinstance(run(one, "--day", "20131231").exception, MisuseError)


def test_an_interrupted_drill_leaves_nothing(
    one: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OB-971: Ctrl-C ends it (130 by the command line); what was restored is deleted."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("veritape.apps.progress.Progress.__call__", interrupt)
    before = set(tmp_path.iterdir())
    result = run(one)
    assert result.exit_code != 0
    assert set(tmp_path.iterdir()) == before
