"""The benchmark's program does on Linux what it does here."""

import subprocess
from pathlib import Path

import pytest
from tests import rv32
from tests.compiled import SIMULATOR

from veritape.apps.bench.executor import QEMU
from veritape.apps.bench.linux_program import linux_elf
from veritape.executor.adapters.guest_files import guest_image


def test_the_mixed_guest_ends_with_the_same_code(tmp_path: Path) -> None:
    """EX-901: the exit code is a digest of all that was computed, and qemu's is its last byte."""
    image = guest_image("mixed")
    path = tmp_path / "mixed.elf"
    path.write_bytes(linux_elf(image))
    path.chmod(0o755)
    ours = SIMULATOR.machine(image, b"").exit_code
    assert ours is not None
    assert subprocess.run([*QEMU, str(path)], check=False).returncode == ours % 256


def test_a_program_without_our_start_code_is_refused() -> None:
    with pytest.raises(ValueError, match="start code"):
        linux_elf(rv32.image([rv32.NOP]))
