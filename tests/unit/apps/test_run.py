"""``veritape run``."""

import json
import struct
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests import rv32
from tests.compiled import SIMULATOR

from veritape.apps.run import run
from veritape.executor.adapters.receipt_files import read_receipt
from veritape.kernel.errors import MisuseError, VeritapeError


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(
        run, [str(one) for one in arguments], catch_exceptions=False, standalone_mode=False
    )


def program(folder: Path, words: list[int], data: bytes = b"") -> Path:
    path = folder / "program.elf"
    path.write_bytes(rv32.elf(rv32.image(words, data)))
    return path


def test_a_run_says_that_nothing_was_proven(tmp_path: Path) -> None:
    """EX-319: text and JSON say executed, not proven; the receipt file holds the same claim."""
    data = tmp_path / "input"
    data.write_bytes(struct.pack("<III", 10, 0, 1))
    assert invoke("fibonacci", "--input", data).output.startswith(
        "executed, not proven: exit code 0 after 83 cycles"
    )
    shown = json.loads(invoke("fibonacci", "--input", data, "--json", "-o", tmp_path / "r.sim").output)
    receipt = read_receipt(tmp_path / "r.sim", SIMULATOR.sponge)
    assert (shown["kind"], shown["label"]) == ("simulated", "executed, not proven")
    assert (shown["journal"], shown["cycles"]) == (receipt.journal.hex(), receipt.claim.cycles)


def test_exit_codes_traps_and_debug_text(tmp_path: Path) -> None:
    """EX-712: a guest's exit code fails the command; a trap is one line; debug text goes to stderr, escaped."""
    data = tmp_path / "input"
    data.touch()
    failing = program(tmp_path, [*rv32.call(5, rv32.RAM, 3), *rv32.halt(3)], b"a\x00\xff")
    done = invoke(failing, "--input", data, "--debug")
    assert done.return_value == 1
    assert "guest: 'a\\x00\\\\xff'" in done.stderr
    with pytest.raises(VeritapeError, match="cycle_limit"):
        invoke(program(tmp_path, [rv32.jal(0, 0)]), "--input", data, "--max-cycles", 1000)


def test_what_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    """EX-713: an unknown program lists the guests; files are named."""
    data = tmp_path / "input"
    data.touch()
    with pytest.raises(MisuseError, match="fibonacci, ohlcv, sha256, vwap"):
        invoke("nothing", "--input", data)
    with pytest.raises(MisuseError, match="cannot read"):
        invoke("fibonacci", "--input", tmp_path)
    with pytest.raises(MisuseError, match="cannot write"):
        invoke(program(tmp_path, rv32.halt()), "--input", data, "-o", data / "below")
    with pytest.raises(VeritapeError, match="not_elf"):
        invoke(data, "--input", data)


def test_a_c_file_is_built_and_run(tmp_path: Path) -> None:
    """EX-237: a user's own guest in C."""
    source = tmp_path / "mine.c"
    source.write_text(
        '#include "veritape.h"\nint main(void) { vt_commit_u64(vt_read_u64(9) + 1); return 0; }\n'
    )
    data = tmp_path / "input"
    data.write_bytes(struct.pack("<Q", 2**32 - 1))
    assert (
        json.loads(invoke(source, "--input", data, "--json").output)["journal"]
        == struct.pack("<Q", 2**32).hex()
    )
