"""What is free goes back to the operating system."""

import ctypes
from pathlib import Path

import pytest

from veritape.observer.adapters import spare_memory
from veritape.observer.adapters.spare_memory import give_back

PIECES, PIECE_BYTES = 64 << 10, 1 << 10
"""64 MiB in pieces too small for mappings of their own."""


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def test_pages_below_what_is_still_held_are_given_back() -> None:
    """OB-012: what was freed stays resident for as long as anything above it lives; afterwards most of it is gone."""
    pieces = [bytes(PIECE_BYTES) for _ in range(PIECES)]
    above = bytes(PIECE_BYTES)
    held = resident_bytes()
    del pieces
    give_back()
    assert held - resident_bytes() > PIECES * PIECE_BYTES // 2
    assert len(above) == PIECE_BYTES


def test_a_library_that_cannot_trim_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """OB-012: the call is glibc's own; elsewhere a day ends as well."""

    class Other:
        """A C library without the call."""

    spare_memory._trim.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: Other())
    give_back()
    spare_memory._trim.cache_clear()
