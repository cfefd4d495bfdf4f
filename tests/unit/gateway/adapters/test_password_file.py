"""Passwords from files."""

from pathlib import Path

import pytest

from veritape.gateway.adapters.password_file import read_password
from veritape.kernel.errors import MisuseError


def test_the_first_line_is_the_password(tmp_path: Path) -> None:
    """GW-706: without the end of the line; no file is no password."""
    file = tmp_path / "secret"
    file.write_text("pass word\nsecond\n")
    assert read_password(file, "store") == "pass word"
    assert read_password(None, "store") is None


@pytest.mark.parametrize(("content", "cause"), [(None, "No such file"), (b"\xff\xfe", "it is no text")])
def test_what_cannot_be_read_names_setting_and_file(
    tmp_path: Path, content: bytes | None, cause: str
) -> None:
    """GW-706, GW-941: a file that is not there, or no text."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(MisuseError, match=rf"store\.password_file: cannot read .*secret: {cause}"):
        read_password(file, "store")
