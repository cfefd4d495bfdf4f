"""The compiled kernels and their cache."""

import os
from pathlib import Path

import pytest
from tests import rv32

import veritape
from veritape.apps import compiled_kernels
from veritape.apps.compiled_kernels import CACHE, UNUSED_NS, remove_unused, sources_digest


def test_the_cache_lies_outside_the_tree() -> None:
    """EX-910: compiled code is kept below the user's cache folder, and the machine works."""
    done = compiled_kernels.compiled_simulator().machine(rv32.image(rv32.halt(4)), b"")
    assert done.exit_code == 4
    assert any((Path.home() / CACHE / sources_digest()).rglob("*.nbi"))


def test_a_change_of_any_source_is_another_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EX-201: a constant that was compiled into another file's function is never found again once it changed."""
    package = tmp_path / "veritape"
    (package / "executor" / "vm").mkdir(parents=True)
    (package / "stark").mkdir()
    monkeypatch.setattr(veritape, "__file__", str(package / "__init__.py"))
    names = set()
    for path in ("executor/image.py", "executor/vm/calls.py", "stark/field.py"):
        for text in ("P = 1", "P = 2"):
            (package / path).write_text(text)
            names.add(sources_digest())
    assert len(names) == 6
    (package / "executor" / "receipts.py").write_text("P = 3")
    assert sources_digest() in names


def test_what_nobody_uses_is_removed(tmp_path: Path) -> None:
    """EX-910: compiled code of other sources goes after a month; a cache that is not there yet is none to clean."""
    now_ns = 10 * UNUSED_NS
    for name, age_ns in (("old", UNUSED_NS), ("new", UNUSED_NS - 1)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, ns=(now_ns - age_ns, now_ns - age_ns))
    remove_unused(tmp_path, now_ns)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    remove_unused(tmp_path / "none", now_ns)
