"""The pepper's file."""

from pathlib import Path

import pytest

from veritape.gateway.adapters.peppers import (
    PREVIOUS,
    change_pepper,
    forget_previous,
    load_pepper,
    load_peppers,
)
from veritape.kernel.errors import MisuseError


def test_the_pepper_is_made_once(tmp_path: Path) -> None:
    """GW-403, GW-941: 32 random bytes, mode 0600, the same at the next start."""
    first = load_pepper(tmp_path, None)
    assert (len(first), load_pepper(tmp_path, None)) == (32, first)
    assert (tmp_path / "pepper").stat().st_mode & 0o777 == 0o600


def test_a_configured_pepper_is_checked(tmp_path: Path) -> None:
    """GW-941: ``pepper_missing``, ``pepper_short``, ``pepper_mode``."""
    path = tmp_path / "own"
    with pytest.raises(MisuseError, match="pepper_missing"):
        load_pepper(tmp_path, path)
    path.write_bytes(b"x" * 31)
    path.chmod(0o644)
    with pytest.raises(MisuseError, match="pepper_mode"):
        load_pepper(tmp_path, path)
    path.chmod(0o600)
    with pytest.raises(MisuseError, match="pepper_short"):
        load_pepper(tmp_path, path)


@pytest.mark.parametrize("is_configured", [False, True])
def test_a_changed_pepper_leaves_the_one_before_valid(tmp_path: Path, is_configured: bool) -> None:
    """GW-403: two can be valid during a change, each in a file of mode 0600."""
    configured = tmp_path / "own" if is_configured else None
    if configured is not None:
        configured.write_bytes(b"o" * 32)
        configured.chmod(0o600)
    first = load_pepper(tmp_path, configured)
    assert load_peppers(tmp_path, configured) == (first,)
    change_pepper(tmp_path, configured, b"n" * 32)
    assert load_peppers(tmp_path, configured) == (b"n" * 32, first)
    assert (tmp_path / PREVIOUS).stat().st_mode & 0o777 == 0o600
    (tmp_path / PREVIOUS).write_bytes(b"n" * 32)  # a crash between the two writes
    assert load_peppers(tmp_path, configured) == (b"n" * 32,)
    forget_previous(tmp_path)
    forget_previous(tmp_path)
    assert load_peppers(tmp_path, configured) == (b"n" * 32,)


def test_a_pepper_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """GW-941: for example a mounted secret."""
    (tmp_path / PREVIOUS).mkdir()
    with pytest.raises(MisuseError, match="pepper_unwritable"):
        change_pepper(tmp_path, None, b"n" * 32)
