"""``veritape export``."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.recorded_day import record_day

from veritape.apps.export import export
from veritape.kernel.errors import MisuseError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return record_day(tmp_path / "data", "20131007")


def run(data: Path, *words: str) -> Result:
    return CliRunner().invoke(export, ["--data", str(data), *words], standalone_mode=False)


def test_missing_windows_are_written_and_the_others_compared(data: Path, tmp_path: Path) -> None:
    """OB-721: re-creatable; the same bytes; exit 1 when a file is not what the journal gives."""
    told = json.loads(run(data, "--json", "--kind", "system").stdout)
    assert (told["day"], told["written"][0], told["same"]) == ("20131007", "system_20131007_0800.jsonl", 0)
    again = run(data, "--kind", "system")
    assert (again.return_value, again.stdout) == (
        0, f"20131007: 0 files written to {data / 'export'}, {len(told['written'])} were there, 0 differ\n",
    )  # fmt: skip
    (data / "export" / told["written"][0]).write_bytes(b"")
    changed = run(data, "--kind", "system")
    assert (changed.return_value, "is not what the journal gives" in changed.stderr) == (1, True)
    assert run(data, "--into", str(tmp_path / "other"), "--compress", "--day", "20131007").return_value == 0
    assert len(list((tmp_path / "other").glob("scalp_*.jsonl.zst"))) > 300


def test_what_was_not_recorded_is_named(data: Path, tmp_path: Path) -> None:
    """OB-971."""
    for words in ((data, "--day", "20131231"), (tmp_path / "none",)):
        failed = run(*words).exception
        assert isinstance(failed, MisuseError)
