"""Give back what a day's peak needed: a recorder that runs for months should keep what it uses, not what it once used.

What a process frees stays with its allocators. Threads that read, compress and audit leave holes in arenas of their own, and
each day finds them a little differently filled: without this the resident size rises for days though nothing is kept (decision
0214).
"""

import ctypes
import functools
from collections.abc import Callable

import pyarrow as pa


def give_back() -> None:
    """Return the pages that hold nothing to the operating system, as far as the allocators can; takes milliseconds."""
    pa.default_memory_pool().release_unused()
    _trim()(0)


@functools.cache
def _trim() -> Callable[[int], object]:
    """Return glibc's ``malloc_trim``, whose argument is what to keep at the top; elsewhere a function that does nothing."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return lambda _keep: None
