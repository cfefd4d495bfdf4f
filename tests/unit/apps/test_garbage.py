"""The cycle collector of a process that answers requests."""

import gc
import subprocess
import sys
import weakref

from veritape.apps.garbage import YOUNG_OBJECTS, seldom_collected


class Ring:
    """An object in a cycle."""

    def __init__(self) -> None:
        self.itself = self


def test_new_cycles_are_collected_and_what_was_there_is_not_looked_at() -> None:
    """GW-908: seldom, but they are; afterwards everything is as it was."""
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with seldom_collected():
        assert gc.get_threshold() == (YOUNG_OBJECTS, *before[1:])
        assert gc.get_freeze_count() > frozen
        gone = weakref.ref(Ring())
        kept: list[list[int]] = [[] for _ in range(2 * YOUNG_OBJECTS)]
        assert gone() is None
        assert len(kept) == 2 * YOUNG_OBJECTS
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


ENDS = "import duckdb; from veritape.apps.compiled_kernels import compiled_simulator; compiled_simulator()"
"""What ``compute`` and ``bench`` load: DuckDB counts its objects when Python ends, and the kernels have frozen them."""


def test_a_process_that_froze_ends_without_a_word() -> None:
    """EX-630: what is kept to the end is thawed there; no library calls it a leak on stderr."""
    ended = subprocess.run([sys.executable, "-c", ENDS], capture_output=True, check=True)
    assert (ended.stdout, ended.stderr) == (b"", b"")
