"""Load the compiled kernels: Numba's cache lies outside the tree, and is named before anything is compiled.

Numba compiles a function anew when its own file changed, and not when a file did from which it takes a function or a constant. So the
folder is named after all of them: whatever changes, nothing that was compiled before is found. Numba itself is loaded with the
kernels: 0.3 s that a command which hashes and executes nothing does not pay.
"""

import contextlib
import hashlib
import importlib
import os
import shutil
import struct
from collections import deque
from pathlib import Path
from typing import Any

import veritape
from veritape.apps.garbage import keep_to_the_end
from veritape.executor.adapters.guest_files import guest_image
from veritape.executor.backend import Simulator, TraceBackend
from veritape.executor.vm.execution import Limits
from veritape.kernel.clock import NANOSECONDS, SystemClock

CACHE = Path(".cache") / "veritape" / "numba"
"""Folder of compiled code below the user's home directory; a folder each for the states of the sources."""

SOURCES = ("executor/image.py", "executor/vm/**/*.py", "stark/**/*.py")
"""Where compiled functions and what they take from others lie, in the package."""

REHEARSED, REHEARSED_INPUT = "fibonacci", struct.pack("<III", 1, 1, 1)
"""The shortest run of a bundled guest."""

UNUSED_NS = 30 * 24 * 3600 * NANOSECONDS
"""Age from which compiled code of other sources is removed: nobody has started with it for a month."""


def compiled_simulator(home: Path | None = None) -> Simulator:
    """Return the fast simulator; the first call on a machine compiles for some seconds."""
    folder = (home or Path.home()) / CACHE / sources_digest()
    if not folder.exists():
        remove_unused(folder.parent, SystemClock().wall_ns())
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        os.utime(folder)
    settings: Any = importlib.import_module("numba.core.config")
    settings.CACHE_DIR = str(folder)
    machine = importlib.import_module("veritape.executor.vm.compiled.machine")
    hashing = importlib.import_module("veritape.stark.compiled.hashing")
    hashing.digest_each(0, ())  # loads what every use of a simulator needs
    keep_to_the_end()  # a hundred thousand objects of the compiler stay to the end: without this a batch pays for walks over them
    return Simulator(machine.execute, hashing.sponge, machine.execute_batch, hashing.digest_each)


def sources_digest() -> str:
    """Return a name for the state of everything that compiled code is made of."""
    root, digest = Path(veritape.__file__).parent, hashlib.sha256()
    for path in sorted(path for source in SOURCES for path in root.glob(source)):
        digest.update(
            str(path.relative_to(root)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest()
        )
    return digest.hexdigest()[:16]


def remove_unused(cache: Path, now_ns: int) -> None:
    """Remove what was compiled from other sources and not used for long."""
    with contextlib.suppress(OSError):
        for folder in cache.iterdir():
            if now_ns - folder.stat().st_mtime_ns >= UNUSED_NS:
                shutil.rmtree(folder, ignore_errors=True)


def trace_backend() -> TraceBackend:
    """Return the backend that executes and does not prove, compiled; workers make theirs by this function's name.

    It has run a program: the kernel of batches is compiled and loaded before the first job, and not under its deadline.
    """
    backend = TraceBackend(compiled_simulator())
    deque(backend.run(guest_image(REHEARSED), (REHEARSED_INPUT,), Limits()), maxlen=0)
    return backend
