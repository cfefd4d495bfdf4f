"""Hold what is used, not what was once used: a recorder runs for months.

What recorded a day refers to itself, and the collector leaves it: ``give_back`` ends it when the day does. What a process frees stays with
its allocators, and glibc learns from peaks: each large block that is freed raises, up to 32 MiB, the size from which blocks have
a mapping of their own, and twice that is what the end of a heap may keep free. The buffers of an hour and of an audit then
lie between small things that stay, and each thread does so in an arena of its own. So the bounds are set before the
work begins, and stand (``bound``).
Decisions 0214 and 0231.
"""

import ctypes
import functools
import gc
from collections.abc import Callable

import pyarrow as pa

LARGE_BYTES = 256 << 10
"""Size from which a block has a mapping of its own, which goes back when it is freed: above what a group of frames takes piece by piece."""

SPARE_BYTES = 256 << 10
"""Free bytes that the end of a heap may keep."""

ARENAS = 2
"""Heaps: one of the event loop, one of all other threads, which wait for the interpreter far more than for each other."""

BOUNDS = {-3: LARGE_BYTES, -1: SPARE_BYTES, -8: ARENAS}
"""Options of glibc's ``mallopt``: M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_ARENA_MAX."""


def bound() -> None:
    """Fix what the C library's allocator may keep, for the whole process; to be called before there are threads."""
    for option, value in BOUNDS.items():
        _call("mallopt")(option, value)


def give_back() -> None:
    """Let go what is held by itself alone, and return the pages that hold nothing to the operating system; takes 0.1 s.

    What recorded a day refers to itself in many ways. The collector looks at what is old only when a quarter is new, which in a
    recorder at rest takes days.
    """
    gc.collect()
    pa.default_memory_pool().release_unused()
    _call("malloc_trim")(0)


@functools.cache
def _call(name: str) -> Callable[..., object]:
    """Return a call of glibc's; in another C library a function that does nothing."""
    try:
        found: Callable[..., object] = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return lambda *_: None
    return found
