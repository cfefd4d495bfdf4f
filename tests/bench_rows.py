"""Rows of a benchmark, measured small in a process of their own: what peers leave open ends with it."""

import json
import subprocess
import sys
from typing import Any


def small_rows(module: str, function: str, **counts: int) -> dict[str, dict[str, Any]]:
    """Return name -> document of a module's rows, with smaller counts than a benchmark's."""
    program = (
        f"import json; from veritape.apps.bench import {module} as measured; from veritape.apps.bench.results import Size\n"
        f"for name, count in {counts!r}.items(): setattr(measured, name, count)\n"
        f"print(json.dumps([row.document() for row in measured.{function}(Size(1))]))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return {row["name"]: row for row in json.loads(answer.stdout.splitlines()[-1])}
