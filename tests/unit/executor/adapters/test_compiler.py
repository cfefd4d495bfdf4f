"""The guests are reproducible."""

from importlib import metadata
from pathlib import Path

import pytest

from veritape.executor.adapters import compiler
from veritape.executor.adapters.guest_files import guest_elf, guests_folder
from veritape.executor.elf import load
from veritape.kernel.errors import CheckFailedError, MisuseError, UnavailableError

SOURCES = Path(str(guests_folder())) / "sources"


def test_the_committed_guests_are_current_and_reproducible(tmp_path: Path) -> None:
    """EX-234: rebuilt in an empty cache, another folder and another environment, the bytes are the committed ones."""
    for name in ("fibonacci", "vwap"):
        assert compiler.build(SOURCES / f"{name}.c", SOURCES, tmp_path) == guest_elf(name)


def test_a_users_own_guest_is_built_and_errors_are_one_line(tmp_path: Path) -> None:
    """EX-237: a .c file of a user's; a missing file and a syntax error are named."""
    source = tmp_path / "mine.c"
    source.write_text(
        '#include "veritape.h"\nint main(void) { u32 d[8]; vt_hash_bytes(d, 1, d, 0); return 7; }\n'
    )
    cache = Path.home() / ".cache" / "veritape" / "zig"
    assert load(compiler.build(source, SOURCES, cache)).segments
    source.write_text("int main(void) { return x; }\n")
    with pytest.raises(CheckFailedError, match=r"mine\.c does not compile: .*error"):
        compiler.build(source, SOURCES, cache)
    with pytest.raises(MisuseError, match="cannot read"):
        compiler.build(tmp_path / "none.c", SOURCES, cache)


def test_a_missing_compiler_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """EX-231: guests are built with the extra `guests` alone."""

    def missing(_: str) -> str:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(UnavailableError, match=r"veritape\[guests\]"):
        compiler.compiler_version()
