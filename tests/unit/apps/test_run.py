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
from veritape.kernel.errors import MisuseError


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(
        run, [str(one) for one in arguments], catch_exceptions=False, standalone_mode=False
    )


def program(folder: Path, words: list[int], data: bytes = b"") -> Path:
    path = folder / "program.elf"
    path.write_bytes(rv32.elf(rv32.image(words, data)))
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "executor.toml"
    path.write_text(f'[executor]\npool = "thread"\n[executor.cache]\ndisk_path = "{tmp_path / "cache"}"\n')
    return path


def test_a_run_says_that_nothing_was_proven(tmp_path: Path) -> None:
    """EX-319: text and JSON say executed, not proven; the receipt file holds the same claim."""
    text = invoke("fibonacci", "--input-u32", "10,0,1").output
    assert text.startswith("executed, not proven: exit code 0 after 83 cycles")
    assert text.endswith("result: 55\n")
    journal = tmp_path / "journal"
    shown = json.loads(
        invoke(
            "fibonacci", "--input-u32", "10,0,1", "--json", "-o", tmp_path / "r.sim", "--journal-out", journal
        ).output
    )
    receipt = read_receipt(tmp_path / "r.sim", SIMULATOR.sponge)
    assert (shown["kind"], shown["label"]) == ("simulated", "executed, not proven")
    assert (shown["journal_hex"], shown["cycles"]) == (receipt.journal.hex(), receipt.claim.cycles)
    assert journal.read_bytes() == receipt.journal


def test_the_document_has_the_fields_of_the_table() -> None:
    """EX-632: schema, kind, ok, reason, program, exit code, cycles, journal, trap, rows, seconds."""
    shown = json.loads(invoke("fibonacci", "--input-u32", "10,0,1", "--json").output)
    assert (shown["schema"], shown["ok"], shown["reason"], shown["trap"]) == (
        "veritape.run/1",
        True,
        None,
        None,
    )
    assert shown["program"]["name"] == "fibonacci"
    assert shown["journal"] == {"n": 10, "a0": 0, "a1": 1, "result": 55}
    assert sum(shown["rows"]["cycles_by_class"].values()) == shown["cycles"] == 83
    assert shown["seconds"] > 0


def test_exit_codes_traps_and_debug_text(tmp_path: Path) -> None:
    """EX-712: a guest's exit code fails the command; a trap is one line and a document; debug text goes to stderr, escaped."""
    failing = program(tmp_path, [*rv32.call(5, rv32.RAM, 3), *rv32.halt(3)], b"a\x00\xff")
    done = invoke(failing, "--input-hex", "", "--debug")
    assert done.return_value == 1
    assert "guest: 'a\\x00\\\\xff'" in done.stderr
    endless = program(tmp_path, [rv32.jal(0, 0)])
    done = invoke(endless, "--input-hex", "", "--max-cycles", 1000, "--json")
    assert done.return_value == 1
    assert "cycle_limit at pc" in done.stderr
    shown = json.loads(done.stdout)
    assert (shown["ok"], shown["reason"], shown["exit_code"]) == (False, "cycle_limit", None)
    assert shown["trap"]["reason"] == "cycle_limit"
    assert "no receipt" in invoke(endless, "--input-hex", "", "--max-cycles", 1000).stdout


def test_a_batch_goes_through_workers_and_cache(tmp_path: Path, config: Path) -> None:
    """EX-631: a file of inputs; equal ones are executed once and said so, then from the cache; a receipt an item."""
    lines = tmp_path / "inputs.jsonl"
    lines.write_text('[10, 0, 1]\n"0a0000000000000001000000"\n\n[20, 0, 1]\n[10, 0, "0x2"]\n')
    arguments = ("fibonacci", "--inputs", lines, "--config", config, "--json")
    shown = json.loads(invoke(*arguments, "-o", tmp_path / "out").output)
    assert (shown["executed"], shown["same"], shown["cached"], shown["failed"]) == (3, 1, 0, 0)
    assert [item["same_as"] for item in shown["items"]] == [None, 0, None, None]
    assert [item["claim"] for item in shown["items"]] == [0, 0, 1, 2]
    assert len(list((tmp_path / "out").glob("*.sim"))) == 4
    again = json.loads(invoke(*arguments).output)
    assert (again["executed"], again["same"], again["cached"]) == (0, 1, 3)
    assert again["effective"]["workers"] >= 1
    assert "0 executed, 1 the same as another, 3 from the cache, 0 failed" in invoke(*arguments[:-1]).output


def test_failed_items_fail_the_command_and_are_named(tmp_path: Path, config: Path) -> None:
    """EX-631: exit 1 when some items failed; a folder of files is a batch too; time that ran out is named."""
    folder = tmp_path / "inputs"
    folder.mkdir()
    (folder / "a").write_bytes(struct.pack("<III", 10, 0, 1))
    (folder / "b").write_bytes(b"short")
    done = invoke("fibonacci", "--inputs", folder, "--config", config)
    assert done.return_value == 1
    assert "item 1: guest_failed: exit code 1" in done.output
    done = invoke("vwap", "--inputs", folder, "--config", config, "--deadline", "0", "--json")
    assert [item["reason"] for item in json.loads(done.stdout)["items"]] == ["deadline_exceeded"] * 2
    endless = program(tmp_path, [rv32.jal(0, 0)])
    done = invoke(endless, "--inputs", folder, "--config", config, "--max-cycles", 1000, "--json")
    assert [item["reason"] for item in json.loads(done.stdout)["items"]] == ["cycle_limit"] * 2


def test_what_cannot_be_read_or_written_is_named(tmp_path: Path, config: Path) -> None:
    """EX-713: an unknown program lists the guests; files are named; a batch and one input exclude each other."""
    with pytest.raises(MisuseError, match="fibonacci, mixed, ohlcv, sha256, vwap"):
        invoke("nothing", "--input-hex", "")
    with pytest.raises(MisuseError, match="cannot read"):
        invoke("fibonacci", "--input", tmp_path / "none")
    with pytest.raises(MisuseError, match="there is no folder"):
        invoke("fibonacci", "--input-u32", "10,0,1", "-o", config / "below" / "r.sim")
    with pytest.raises(MisuseError, match="stands alone"):
        invoke("fibonacci", "--inputs", tmp_path, "--input-hex", "")
    small = tmp_path / "small.toml"
    small.write_text("[executor]\ninput_bytes = 4\n")
    with pytest.raises(MisuseError, match="input_too_large"):
        invoke("fibonacci", "--input-u32", "1,2", "--config", small)


def test_a_trace_tells_each_instruction_and_changes_nothing(tmp_path: Path) -> None:
    """EX-631, EX-201: with --trace-out the readable machine runs: the same document but for its seconds, a line a cycle."""
    trace = tmp_path / "trace.jsonl"
    plain, traced = (
        json.loads(invoke("fibonacci", "--input-u32", "10,0,1", "--json", *more).stdout)
        for more in ((), ("--trace-out", trace))
    )
    assert {**plain, "seconds": 0} == {**traced, "seconds": 0}
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    assert len(lines) == plain["cycles"]
    assert (lines[0]["pc"], lines[-1]["operation"]) == ("0x00010000", "ecall")
