"""The compiled kernels and their cache."""

from pathlib import Path

from tests import rv32

from veritape.apps import compiled_kernels


def test_the_cache_lies_outside_the_tree() -> None:
    """EX-910: compiled code is kept below the user's cache folder, and the machine works."""
    done = compiled_kernels.compiled_simulator().machine(rv32.image(rv32.halt(4)), b"")
    assert done.exit_code == 4
    assert any((Path.home() / compiled_kernels.CACHE).rglob("*.nbi"))
