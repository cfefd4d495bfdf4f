"""The file that --config names."""

from pathlib import Path

import pytest

from veritape.apps.settings_file import settings_bytes
from veritape.kernel.errors import MisuseError


def test_a_file_is_read_and_none_is_empty(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"x = 1")
    assert settings_bytes(tmp_path / "a.toml") == b"x = 1"
    assert settings_bytes(None) == b""


def test_what_cannot_be_read_is_named_with_its_cause(tmp_path: Path) -> None:
    for path, cause in ((tmp_path, "Is a directory"), (tmp_path / "none.toml", "No such file or directory")):
        with pytest.raises(MisuseError) as caught:
            settings_bytes(path)
        assert caught.value.message == f"--config {path}: {cause}: name a TOML file that can be read"
