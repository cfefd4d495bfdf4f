"""The recorder's state at a place of the journal, so that a restart reads only what came after it (OB-509, OB-561).

A checkpoint is a cache: the journal is the source, and a state that this program did not write, bit for bit this program,
is no state. So it is a pickle: the state is a graph of this package's own classes, and every other form would be a second
description of all of them. What is read back may name those classes and a few containers and nothing else, so that bytes
from elsewhere cannot run anything.
"""

import functools
import io
import pickle
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from blake3 import blake3

import veritape.observer

DIGEST_BYTES = 32
"""BLAKE3 of program and state, in front of the state."""

SUBJECT = "veritape.observer."
"""Prefix of the modules whose classes a state may hold; none of them does anything but hold values."""

CONTAINERS = {
    ("array", "array"), ("array", "_array_reconstructor"), ("builtins", "bytearray"), ("builtins", "set"),
    ("builtins", "frozenset"), ("collections", "deque"), ("collections", "Counter"), ("collections", "defaultdict"),
    ("collections", "OrderedDict"),
}  # fmt: skip
"""Other classes that a state may hold."""


class Checkpoint(NamedTuple):
    """A state and the last journal block that it has taken."""

    day: str
    """Folder of the file, YYYYMMDD."""
    file: str
    """Name of the journal file."""
    block: int
    """Number of the block in it."""
    state: bytes
    """What ``encode`` gave."""


def encode(state: Any) -> bytes:
    """Return a state's bytes."""
    content = pickle.dumps(state, pickle.HIGHEST_PROTOCOL)
    return _digest(content) + content


def decode(data: bytes) -> Any | None:
    """Return the state; None for bytes that this very program did not write."""
    content = data[DIGEST_BYTES:]
    if data[:DIGEST_BYTES] != _digest(content):
        return None
    try:
        return _Reader(io.BytesIO(content)).load()
    except Exception:  # noqa: BLE001 - bytes that are no pickle may raise anything
        return None


class _Reader(pickle.Unpickler):
    """Knows the classes of a state alone."""

    def find_class(self, module: str, name: str, /) -> Callable[..., Any]:
        if (module, name) in CONTAINERS or (module.startswith(SUBJECT) and ".adapters" not in module):
            found = getattr(import_module(module), name)
            if isinstance(found, type) or (module, name) in CONTAINERS:
                return found  # type: ignore[no-any-return]
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a recorder's state")


def _digest(content: bytes) -> bytes:
    return blake3(_program() + content).digest()


@functools.cache
def _program() -> bytes:
    """Return the BLAKE3 of every subject module of the observer: a change to any of them makes old states void."""
    hasher = blake3()
    for path in sorted(Path(veritape.observer.__path__[0]).glob("*.py")):
        hasher.update(path.name.encode() + path.read_bytes())
    return hasher.digest()
