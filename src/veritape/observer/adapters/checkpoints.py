"""The recorder's state at a place of the journal, so that a restart reads only what came after it (OB-509, OB-561).

A checkpoint is a cache: the journal is the source, and a state that this program did not write, bit for bit this program,
is no state. So it is a pickle: the state is a graph of this package's own classes, and every other form would be a second
description of all of them. What is read back may name those classes and a few containers and nothing else, so that bytes
from elsewhere cannot run anything.
"""

import functools
import io
import pickle
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from blake3 import blake3

import veritape.observer
import veritape.wire

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


class Resumed(NamedTuple):
    """Where to read on."""

    state: Any
    """What was encoded."""
    first: int
    """Index of the file."""
    after: int
    """Number of the block in it that the state has taken last."""


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


def resume(checkpoint: Checkpoint | None, paths: Sequence[Path]) -> Resumed | None:
    """Return where to read on in a journal's files; None when they have to be read from the first one on."""
    names = [(path.parent.name, path.name) for path in paths]
    if checkpoint is None or (checkpoint.day, checkpoint.file) not in names:
        return None
    state = decode(checkpoint.state)
    if state is None:
        return None
    return Resumed(state, names.index((checkpoint.day, checkpoint.file)), checkpoint.block)


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
    """Return what names this program: a change to how a frame is read or counted makes old states void."""
    return program_digest([Path(veritape.observer.__path__[0]), Path(veritape.wire.__path__[0])])


def program_digest(folders: Sequence[Path]) -> bytes:
    """Return the BLAKE3 of every subject module in some packages and below them."""
    hasher = blake3()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            name = path.relative_to(folder)
            if "adapters" not in name.parts:
                content = path.read_bytes()
                hasher.update(f"{name.as_posix()}:{len(content)}:".encode() + content)
    return hasher.digest()
