"""Traces of executions."""

import io
import json
from pathlib import Path

import pytest
from tests import rv32

from veritape.apps.trace_file import trace_file, watch_into
from veritape.executor.vm.machine import execute
from veritape.kernel.errors import MisuseError

SEVEN = rv32.image([0x00700513, 0x00000893, rv32.ECALL])


def test_each_instruction_is_a_line_with_what_it_changed(tmp_path: Path) -> None:
    """EX-631: --trace-out: cycle, pc, word, operation, and the registers that are another now; the stack pointer at the entry."""
    path = tmp_path / "trace.jsonl"
    with trace_file(path) as watch:
        assert execute(SEVEN, b"", watch=watch).exit_code == 7
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [
        {"cycle": 0, "pc": "0x00010000", "word": "0x00700513", "operation": "addi", "changed": {"x2": SEVEN.memory_end, "x10": 7}},
        {"cycle": 1, "pc": "0x00010004", "word": "0x00000893", "operation": "addi", "changed": {}},
        {"cycle": 2, "pc": "0x00010008", "word": "0x00000073", "operation": "ecall", "changed": {}},
    ]  # fmt: skip


def test_a_long_trace_is_cut_and_says_so() -> None:
    """EX-631: an endless guest fills no disk."""
    file = io.StringIO()
    execute(SEVEN, b"", watch=watch_into(file, 1))
    assert [json.loads(line)["cycle"] for line in file.getvalue().splitlines()] == [0, 1]
    assert json.loads(file.getvalue().splitlines()[1]) == {"cycle": 1, "cut": True}


def test_without_a_file_nothing_watches(tmp_path: Path) -> None:
    """EX-713: a place that cannot be written is named."""
    with trace_file(None) as watch:
        assert watch is None
    with pytest.raises(MisuseError, match="cannot write"), trace_file(tmp_path):
        pass
