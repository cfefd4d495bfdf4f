"""The right to compute a key, among processes."""

import subprocess
import sys
from pathlib import Path

from veritape.executor.adapters.cache.flights import FileLeases

KEY = b"k" * 32

HOLDER = """
import sys
from pathlib import Path
from veritape.executor.adapters.cache.flights import FileLeases
with FileLeases(Path(sys.argv[1])).held(b"k" * 32) as mine:
    print(mine, flush=True)
    sys.stdin.read()
"""


def test_one_holds_a_key_and_lets_it_go(tmp_path: Path) -> None:
    """EX-409: a second holder is refused until the first is done; other keys are free."""
    one, two = FileLeases(tmp_path), FileLeases(tmp_path)
    with one.held(KEY) as mine:
        assert mine
        with two.held(KEY) as theirs:
            assert not theirs
        with two.held(b"other key") as other:
            assert other
    with two.held(KEY) as theirs:
        assert theirs


def test_a_dead_leader_lets_go(tmp_path: Path) -> None:
    """EX-409: a waiter whose leader was killed proceeds; the kernel lets a dead process's lock go."""
    leader = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )
    assert leader.stdout is not None
    assert leader.stdout.readline() == "True\n"
    with FileLeases(tmp_path).held(KEY) as mine:
        assert not mine
    leader.kill()
    leader.communicate()
    with FileLeases(tmp_path).held(KEY) as mine:
        assert mine
