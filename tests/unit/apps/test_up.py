"""The command ``veritape up``: what it refuses."""

from pathlib import Path

from click.testing import CliRunner

from veritape.apps.up import up
from veritape.kernel.errors import MisuseError


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    """Two runs never share a folder."""
    (tmp_path / "x").write_text("x")
    result = CliRunner().invoke(up, ["--data", str(tmp_path)], standalone_mode=False)
    assert isinstance(result.exception, MisuseError)
    assert "not an empty folder" in result.exception.message
