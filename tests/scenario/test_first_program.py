"""The guide "run your first program", command by command, from an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def steps() -> list[tuple[str, list[str]]]:
    """Return the guide's commands, each with the lines that it must print."""
    found: list[tuple[str, list[str]]] = []
    for block in BLOCK.findall((ROOT / "docs" / "guides" / "first-program.md").read_text()):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def test_each_command_of_the_guide_does_what_it_says(tmp_path: Path) -> None:
    """EX-237, EX-824: every command runs in an empty folder and prints what stands beneath it; no traceback, one line an error."""
    (tmp_path / "l2.toml").write_text(f'[executor.cache]\ndisk_path = "{tmp_path / "cache"}"\n')
    environment = {
        **os.environ,  # noqa: TID251 - the guide's user has an environment
        "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
        "VERITAPE_L2_EXECUTOR__CACHE__DISK_PATH": str(tmp_path / "cache"),
        "VERITAPE_L2_EXECUTOR__POOL": "thread",
    }
    assert len(steps()) == 12
    for command, expected in steps():
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr)
        assert "Traceback" not in done.stderr
        for line in expected:
            assert line in done.stdout, (command, done.stdout)
    assert (tmp_path / "double.sim").read_bytes().startswith(b"VTSIM001")
