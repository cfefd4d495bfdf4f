"""The 1,023 cases of riscv-tests as programs for our machine: one per file; halt 0 passes, another code is the failed test."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests import rv32

from veritape.executor.image import Image

VECTORS = Path(__file__).parent / "vectors" / "riscv-tests" / "vectors.json"

X1, X2, X3, BASE, RESULT, EXPECTED = 1, 2, 3, 5, 14, 7


def programs() -> Iterator[tuple[str, int, Image]]:
    """Yield file name, number of cases, program."""
    document = json.loads(VECTORS.read_bytes())
    files: dict[str, list[dict[str, Any]]] = {}
    for case in document["cases"]:
        files.setdefault(case["file"], []).append(case)
    for name, cases in files.items():
        words: list[int] = []
        for case in cases:
            words += _case(case)
        data = bytes.fromhex(document["memory"].get(name, ""))
        yield name, len(cases), rv32.image([*words, *rv32.halt()], data)


def _case(case: dict[str, Any]) -> list[int]:
    kind = case["kind"]
    if kind.startswith("branch"):
        body, expected = _branch(case), 1
    elif kind.startswith("rr"):
        body, expected = _register(case), case["expected"]
    elif kind.startswith("imm"):
        body, expected = _immediate(case), case["expected"]
    elif kind.startswith("load"):
        body, expected = _load(case), case["expected"]
    else:
        body, expected = _store(case), case["expected"]
    failed = rv32.halt(case["test"])
    compare = [*rv32.li(EXPECTED, expected), rv32.branch("beq", RESULT, EXPECTED, 4 + 4 * len(failed))]
    return [*body, *compare, *failed]


def _nops(case: dict[str, Any], place: int) -> list[int]:
    nops = case.get("nops", [])
    return [rv32.NOP] * (nops[place] if place < len(nops) else 0)


def _register(case: dict[str, Any]) -> list[int]:
    kind, op = case["kind"], case["op"]
    a, b, rd = X1, X2, RESULT
    if kind == "rr_src12_eq_dest":
        return [*rv32.li(a, case["a"]), rv32.r(op, a, a, a), rv32.i("addi", RESULT, a, 0)]
    if kind.startswith("rr_zerosrc"):
        a, b = (0 if "1" in kind else X1), (0 if "2" in kind else X2)
    rd = {"rr_src1_eq_dest": X1, "rr_src2_eq_dest": X2, "rr_zerodest": 0}.get(kind, RESULT)
    first, second = rv32.li(a, case["a"]), rv32.li(b, case["b"])
    loads = (
        [*second, *_nops(case, 0), *first]
        if kind == "rr_src21_bypass"
        else [*first, *_nops(case, 0), *second]
    )
    after = _nops(case, 0) if kind == "rr_dest_bypass" else []
    return [*loads, *_nops(case, 1), rv32.r(op, rd, a, b), *after, rv32.i("addi", RESULT, rd, 0)]


def _immediate(case: dict[str, Any]) -> list[int]:
    kind = case["kind"]
    a = 0 if kind == "imm_zerosrc1" else X1
    rd = {"imm_src1_eq_dest": X1, "imm_zerodest": 0}.get(kind, RESULT)
    word = rv32.i(case["op"], rd, a, case["imm"])
    return [*rv32.li(a, case["a"]), *_nops(case, 0), word, *_nops(case, 0), rv32.i("addi", RESULT, rd, 0)]


def _load(case: dict[str, Any]) -> list[int]:
    word = rv32.load(case["op"], RESULT, BASE, case["offset"])
    return [*rv32.li(BASE, rv32.RAM + case["base"]), *_nops(case, 0), word]


def _store(case: dict[str, Any]) -> list[int]:
    base, value = rv32.li(BASE, rv32.RAM + case["base"]), rv32.li(X1, case["expected"])
    first, second = (value, base) if "src12" in case["kind"] else (base, value)
    words = [*first, *_nops(case, 0), *second, *_nops(case, 1)]
    offset = case["offset"]
    return [*words, rv32.store(case["op"], X1, BASE, offset), rv32.load(case["load"], RESULT, BASE, offset)]


def _branch(case: dict[str, Any]) -> list[int]:
    """Set RESULT to 1 when the branch went as the case says, forwards and then backwards."""
    taken, other = (1, 0) if case["taken"] else (0, 1)
    loads = [*rv32.li(X1, case["a"]), *_nops(case, 0), *rv32.li(X2, case["b"]), *_nops(case, 1)]
    forward = [
        rv32.branch(case["op"], X1, X2, 12),
        rv32.i("addi", RESULT, 0, other),
        rv32.jal(0, 8),
        rv32.i("addi", RESULT, 0, taken),
    ]
    return [*loads, *forward]
