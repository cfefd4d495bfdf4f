#!/usr/bin/env python3
"""Write docs/requirements.md: every requirement id, the sentence that a test says about it, the test.

usage: scripts/write_requirements.py [--check]    --check compares and exits 1 when the table is not current

A test shows a requirement when its docstring begins with the id: "OB-606: the ledger closes." Several ids stand before
one colon, with commas or "and" between them.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "requirements.md"
ORDER = ("OB", "KIS", "EX", "ST", "GW", "FP", "TL")
ID = rf"(?:{'|'.join(ORDER)})-\d+"
SHOWN = re.compile(rf"({ID}(?:(?:, and |, | and ){ID})*):\s+(.+)", re.DOTALL)
HEAD = """# Requirements and the tests that show them

Generated from the tests' docstrings by `scripts/write_requirements.py`; a test keeps it current.

| id | what is true | test |
|---|---|---|
"""


def rows() -> Iterator[tuple[tuple[int, int], str]]:
    """Yield sort key and table row of every requirement that a test's docstring names."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            shown = SHOWN.match((ast.get_docstring(node) or "").split("\n\n")[0])
            for name in re.findall(ID, shown[1]) if shown else ():
                prefix, _, number = name.partition("-")
                sentence = " ".join(shown[2].split()).replace("|", "\\|") if shown else ""
                test = f"`{path.relative_to(ROOT / 'tests')}::{node.name}`"
                yield (ORDER.index(prefix), int(number)), f"| {name} | {sentence} | {test} |"


def main() -> int:
    """Write the table, or compare it with ``--check``."""
    text = HEAD + "\n".join(row for _, row in sorted(rows())) + "\n"
    if "--check" in sys.argv[1:]:
        if TABLE.exists() and TABLE.read_text() == text:
            return 0
        print("docs/requirements.md is not current: run scripts/write_requirements.py", file=sys.stderr)
        return 1
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
