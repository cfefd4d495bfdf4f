"""The index of the layer on disk, where several processes share it."""

import hashlib
import sqlite3
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from veritape.executor.adapters.cache.index import NAME, Index, Written, added

ITEMS = 200
"""Of each file."""


def key(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def file(number: int) -> tuple[Written, list[bytes]]:
    return Written(f"{number}.entry", 100, number), [key(ITEMS * number + item) for item in range(ITEMS)]


def add(folder: Path, number: int) -> Written:
    return added(folder, *file(number))


def test_what_others_add_is_found_at_once(tmp_path: Path) -> None:
    """EX-343, EX-404: several processes add files side by side; none is lost, and the one that keeps the index sees them."""
    index = Index(tmp_path)
    with ProcessPoolExecutor(2, mp_context=get_context("forkserver")) as pool:
        told = list(pool.map(add, [tmp_path] * 8, range(8)))
    assert sorted(written.held_bytes or 0 for written in told) == list(range(100, 900, 100))
    assert (len(index), index.held_bytes()) == (8 * ITEMS, 800)
    assert index.known([key(0), key(8 * ITEMS - 1), key(-1)]) == {key(0), key(8 * ITEMS - 1)}
    assert index.file_of(key(ITEMS)) == ("1.entry", 1)
    assert index.least_used() == ("0.entry", 100, ITEMS)
    index.close()


@pytest.mark.parametrize("fault", ["missing", "noise", "older", "locked"])
def test_an_index_that_cannot_be_changed_is_left_alone(
    tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EX-404: who keeps it sees to the file then; nothing is made in its place, and no error reaches the item."""
    monkeypatch.setattr("veritape.executor.adapters.cache.index.WAIT_S", 0.01)
    if fault != "missing":
        Index(tmp_path).close()
    other = sqlite3.connect(tmp_path / "other" if fault == "missing" else tmp_path / NAME)
    if fault == "noise":
        (tmp_path / NAME).write_bytes(b"noise" * 1000)
    if fault == "older":
        other.execute("PRAGMA user_version = 2")
    if fault == "locked":
        other.execute("BEGIN IMMEDIATE")
    assert add(tmp_path, 1) == file(1)[0]
    assert (tmp_path / NAME).exists() == (fault != "missing")
    other.close()
