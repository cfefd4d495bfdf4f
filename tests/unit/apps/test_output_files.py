"""Files that an option names."""

from pathlib import Path

import pytest

from veritape.apps.output_files import write_output
from veritape.kernel.errors import MisuseError, UnavailableError


def test_a_file_is_written_whole_and_over_an_old_one(tmp_path: Path) -> None:
    """OB-971: beside nothing else."""
    for data in (b"one", b"two"):
        write_output(tmp_path / "day.svg", data, "audit: --picture")
        assert (tmp_path / "day.svg").read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ["day.svg"]


def test_no_folder_is_made_of_a_mistyped_path(tmp_path: Path) -> None:
    """OB-971: the line names option, path and remedy; exit 2."""
    path = tmp_path / "abroad" / "day.svg"
    with pytest.raises(MisuseError, match=f"audit: --picture {path}: there is no folder .* make it first"):
        write_output(path, b"", "audit: --picture")
    with pytest.raises(MisuseError, match="is a folder: name a file in it"):
        write_output(tmp_path, b"", "audit: --picture")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_refuses_is_named() -> None:
    """OB-971: exit 1, in the system's words."""
    with pytest.raises(UnavailableError, match=r"run: -o /proc/veritape: .*: choose another path"):
        write_output(Path("/proc/veritape"), b"", "run: -o")
