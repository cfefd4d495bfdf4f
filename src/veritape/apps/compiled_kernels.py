"""Load the compiled kernels: Numba's cache lies outside the tree, and is named before anything is compiled."""

import importlib
from pathlib import Path

import numba.core.config

from veritape.executor.backend import Simulator, TraceBackend

CACHE = Path(".cache") / "veritape" / "numba"
"""Folder of compiled code below the user's home directory."""


def compiled_simulator(home: Path | None = None) -> Simulator:
    """Return the fast simulator; the first call on a machine compiles for some seconds."""
    folder = (home or Path.home()) / CACHE
    folder.mkdir(parents=True, exist_ok=True)
    numba.core.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]  # set by name at run time
    machine = importlib.import_module("veritape.executor.vm.compiled.machine")
    hashing = importlib.import_module("veritape.stark.compiled.hashing")
    return Simulator(machine.execute, hashing.sponge, machine.execute_batch, hashing.digest_each)


def trace_backend() -> TraceBackend:
    """Return the backend that executes and does not prove, compiled; workers make theirs by this function's name."""
    return TraceBackend(compiled_simulator())
