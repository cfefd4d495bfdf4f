"""The table of requirements is generated from the tests and current."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_of_requirements_is_current() -> None:
    script = ROOT / "scripts" / "write_requirements.py"
    answer = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
