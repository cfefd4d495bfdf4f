"""Where the data lies, where the backup does."""

from pathlib import Path

import pytest

from veritape.apps.keeping import place_of, require_date, required_place
from veritape.kernel.errors import MisuseError


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
    with pytest.raises(MisuseError, match="is no folder"):
        place_of(None, tmp_path / "none")
    with pytest.raises(MisuseError, match="No such file"):
        place_of(tmp_path / "none.toml", None)
    require_date(None)
    require_date("20131007")
    for wrong in ("today", "2013-10-07", "20131307"):
        with pytest.raises(MisuseError, match="expected a date"):
            require_date(wrong)
