"""Where the data lies, where the backup does."""

from pathlib import Path

import pytest
from tests.backup_world import world

from veritape.apps.keeping import place_of, require_whole_log, required_place
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import CheckFailedError, MisuseError
from veritape.telemetry.adapters.audit_files import AuditFiles, verify_files
from veritape.telemetry.audit_log import AuditKind, Entry


def configuration(folder: Path, more: str = "") -> Path:
    (folder / "data").mkdir()
    path = folder / "record.toml"
    path.write_text(f'[observer]\ndata_dir = "{folder}/data"\n[kis]\nrest_url = "http://localhost"\n{more}')
    return path


def test_the_recorders_own_file_is_read_without_its_secrets(tmp_path: Path) -> None:
    """OB-981, OB-971: data folder, targets, calendar; the tables of the recorder are passed over."""
    calendar = f'[calendar]\noverride_file = "{tmp_path}/c.toml"\n'
    path = configuration(
        tmp_path, f'{calendar}[backup]\ntargets = ["file:///a", "file:///b"]\nverify = "sample:9"\n'
    )
    place = required_place(path, None)
    assert (place.source.data, place.source.calendar) == (tmp_path / "data", tmp_path / "c.toml")
    assert [target.url for target in place.targets(None, "--to")] == ["file:///a", "file:///b"]
    assert [target.url for target in place.targets("file:///c", "--to")] == ["file:///c"]
    assert place.settings.backup.verify == "sample:9"


def test_a_folder_alone_is_enough(tmp_path: Path) -> None:
    place = required_place(None, tmp_path)
    assert place.source.data == tmp_path
    with pytest.raises(MisuseError, match=r"give --to URL, or backup\.targets"):
        place.targets(None, "--to")
    assert place_of(None, None) is None


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("[backup]\nto = 5", "unknown key 'backup.to'"),
        ('[backup]\nat = "25:00"', "backup.at"),
        ('[backup]\nverify = "some"', "backup.verify"),
        ("[backup]\ndrill_every_days = 91", "backup.drill_every_days"),
        ("[retention]\nraw_days = 0", "retention.raw_days"),
        ("[retention]\nalert_days = 366", "retention.alert_days"),
    ],
)
def test_a_bad_key_is_named(tmp_path: Path, more: str, words: str) -> None:
    """OB-981: unknown or out of range: exit 2, file and key named."""
    with pytest.raises(MisuseError, match=words) as caught:
        place_of(configuration(tmp_path, more), None)
    assert "record.toml" in caught.value.message


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    """OB-971: bad usage."""
    with pytest.raises(MisuseError, match="which recording"):
        required_place(None, None)
    with pytest.raises(MisuseError, match="no such folder"):
        place_of(None, tmp_path / "none")
    with pytest.raises(MisuseError, match="No such file"):
        place_of(tmp_path / "none.toml", None)


def test_an_audit_log_whose_end_was_cut_is_found(tmp_path: Path) -> None:
    """OB-754: the newest manifest knows where the log stood; a chain that is shorter or another fails (TL-668)."""
    one = world(tmp_path, days=1)
    log = AuditFiles(one.data, SystemClock())
    heads = [log.append(Entry(AuditKind.CONFIG_LOADED, "cli:me", f"file:{n}", {})) for n in range(3)]
    one.backup()
    require_whole_log(one.data, verify_files(one.data))
    require_whole_log(tmp_path / "none", heads[0])
    with pytest.raises(CheckFailedError, match="manifest 20131007-1 knows 3: its end was cut"):
        require_whole_log(one.data, heads[1])
    (path,) = (one.data / "audit").glob("*.jsonl")
    path.unlink()
    for name in "abcd":
        head = log.append(Entry(AuditKind.CONFIG_LOADED, "cli:other", name, {}))
    with pytest.raises(CheckFailedError, match="record 3 of the audit log is not the one"):
        require_whole_log(one.data, head)
