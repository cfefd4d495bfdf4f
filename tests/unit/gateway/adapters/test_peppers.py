"""The pepper's file."""

from pathlib import Path

import pytest

from veritape.gateway.adapters.peppers import load_pepper
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
