"""Programs and inputs of the command line."""

import io
import struct
from pathlib import Path

import pytest

from veritape.apps.program_input import many_inputs, one_input, program_image, read_file
from veritape.executor.adapters.guest_files import guest_elf, guest_image
from veritape.kernel.errors import MisuseError, VeritapeError


def test_exactly_one_input_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EX-631: a file, standard input, hexadecimal digits or words; none and two are refused."""
    (tmp_path / "input").write_bytes(b"bytes")
    assert one_input(str(tmp_path / "input"), None, None) == b"bytes"
    assert one_input(None, "0a ff", None) == b"\x0a\xff"
    assert one_input(None, None, "1,0x10") == struct.pack("<II", 1, 16)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"from stdin")))
    assert one_input("-", None, None) == b"from stdin"
    for given in ((None, None, None), ("f", "00", None)):
        with pytest.raises(MisuseError, match="exactly one"):
            one_input(*given)


@pytest.mark.parametrize(
    "given", [(None, "0g", None), (None, None, "1,x"), (None, None, "-1"), (None, None, "4294967296")]
)
def test_text_that_is_no_input_is_named(given: tuple[str | None, str | None, str | None]) -> None:
    """EX-631: the option and the text are named."""
    with pytest.raises(MisuseError, match="--input-"):
        one_input(*given)


def test_a_batch_is_a_folder_or_lines(tmp_path: Path) -> None:
    """EX-631: files by name; lines of digits or words; a bad line is named by its number."""
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    for name in ("b", "a"):
        (folder / name).write_bytes(name.encode())
    assert many_inputs(folder) == [b"a", b"b"]
    lines = tmp_path / "lines"
    lines.write_text('"00ff"\n\n0a0b\n[1, "0x2"]\n')
    assert many_inputs(lines) == [b"\x00\xff", b"\x0a\x0b", struct.pack("<II", 1, 2)]
    lines.write_text('"00"\nzz\n')
    with pytest.raises(MisuseError, match="lines:2"):
        many_inputs(lines)


def test_a_program_is_a_name_an_elf_or_a_c_file(tmp_path: Path) -> None:
    """EX-237: a bundled guest, any accepted ELF, or C source built with the guests' flags."""
    assert program_image("vwap") == guest_image("vwap")
    (tmp_path / "own.elf").write_bytes(guest_elf("vwap"))
    assert program_image(str(tmp_path / "own.elf")) == guest_image("vwap")
    (tmp_path / "own.c").write_text('#include "veritape.h"\nint main(void) { return 3; }\n')
    assert program_image(str(tmp_path / "own.c"), 65_536).memory_bytes == 65_536
    (tmp_path / "no.elf").write_bytes(b"no")
    with pytest.raises(VeritapeError, match="not_elf"):
        program_image(str(tmp_path / "no.elf"))


def test_files_have_a_limit(tmp_path: Path) -> None:
    """EX-713: too large, a folder, a loop of links: one line with the path."""
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(MisuseError, match="too_large"):
        read_file(tmp_path / "file", 4)
    for path in (tmp_path, tmp_path / "loop", tmp_path / "none"):
        with pytest.raises(MisuseError, match="cannot read"):
            read_file(path, 4)
