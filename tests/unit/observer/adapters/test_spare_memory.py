"""What is free goes back to the operating system, and glibc keeps less of it from the start."""

import ctypes
import gc
import subprocess
import sys
from pathlib import Path
from weakref import ref

import pytest

from veritape.observer.adapters import spare_memory
from veritape.observer.adapters.spare_memory import ARENAS, bound, give_back

PIECES, PIECE_BYTES = 64 << 10, 1 << 10
"""64 MiB in pieces too small for mappings of their own."""

PROBE = """
import ctypes, re, sys, threading
from pathlib import Path
from veritape.observer.adapters.spare_memory import bound, give_back

def resident_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / (1 << 20)

if sys.argv[1] == "bound":
    bound()
{work}
"""
"""A process whose allocator is bound, or is not; prints one figure."""

BUFFERS = """
bytearray(24 << 20)                     # freed at once: glibc has learnt that blocks of 24 MiB come and go
before, kept = resident_mib(), []
for _ in range(16):
    buffers = [bytearray(b"x" * (1 << 20)) for _ in range(4)]
    kept.append(bytes(1 << 10))         # a small thing behind them, which stays
    kept += buffers[::2]
kept, buffers = [one for one in kept if len(one) < 1 << 20], None
print(resident_mib() - before)
"""
"""An hour's buffers among things that stay."""

THREADS = """
barrier = threading.Barrier(12)
def work():
    held = [bytes(1 << 10) for _ in range(100)]
    barrier.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc, path = ctypes.CDLL(None), sys.argv[2].encode()
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(path, b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
print(len(re.findall("<heap nr=", Path(sys.argv[2]).read_text())))
"""
"""Twelve threads that hold something at one time."""


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def figure(work: str, how: str, folder: Path) -> float:
    program = PROBE.replace("{work}", work)
    command = [sys.executable, "-c", program, how, str(folder / "malloc.xml")]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_pages_below_what_is_still_held_are_given_back() -> None:
    """OB-012: what was freed stays resident for as long as anything above it lives; afterwards most of it is gone."""
    pieces = [bytes(PIECE_BYTES) for _ in range(PIECES)]
    above = bytes(PIECE_BYTES)
    held = resident_bytes()
    del pieces
    give_back()
    assert held - resident_bytes() > PIECES * PIECE_BYTES // 2
    assert len(above) == PIECE_BYTES


def test_what_only_refers_to_itself_is_let_go() -> None:
    """OB-012, OB-1041: the collector would not look at it for days."""

    class Day:
        """What recorded a day: its parts know it."""

        def __init__(self) -> None:
            self.part = self.close

        def close(self) -> None:
            """Be referred to."""

    day = Day()
    seen = ref(day)
    gc.collect()
    del day
    assert seen() is not None
    give_back()
    assert seen() is None


def test_freed_buffers_leave_nothing_behind_whatever_lies_between_them(tmp_path: Path) -> None:
    """OB-012, OB-1041: an unbound allocator keeps 16 MiB and more of them, a bound one nothing."""
    assert figure(BUFFERS, "as it is", tmp_path) > 16
    assert figure(BUFFERS, "bound", tmp_path) < 2


def test_threads_share_a_few_heaps(tmp_path: Path) -> None:
    """OB-012: each heap keeps a peak of its own."""
    assert figure(THREADS, "bound", tmp_path) <= ARENAS < figure(THREADS, "as it is", tmp_path)


def test_a_library_that_cannot_trim_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """OB-012: the calls are glibc's own; elsewhere a day begins and ends as well."""

    class Other:
        """A C library without the calls."""

    spare_memory._call.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: Other())
    bound()
    give_back()
    spare_memory._call.cache_clear()
