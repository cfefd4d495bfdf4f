"""The compiled kernels and their cache."""

import os
from pathlib import Path

import pytest
from tests import rv32

import veritape
from veritape.apps import compiled_kernels
from veritape.apps.compiled_kernels import CACHE, REHEARSED, UNUSED_NS, remove_unused, sources_digest
from veritape.executor.adapters.guest_files import guest_image
from veritape.executor.image import Image
from veritape.executor.receipts import SimulatedReceipt
from veritape.executor.vm.execution import Limits


def test_the_cache_lies_outside_the_tree() -> None:
    """EX-910: compiled code is kept below the user's cache folder, and the machine works."""
    done = compiled_kernels.compiled_simulator().machine(rv32.image(rv32.halt(4)), b"")
    assert done.exit_code == 4
    assert any((Path.home() / CACHE / sources_digest()).rglob("*.nbi"))


def test_the_backend_of_a_worker_has_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """EX-348, EX-910: the kernel of batches is loaded with the backend: no job pays for it, however short its deadline."""
    seen: list[str] = []

    def asked(name: str) -> Image:
        seen.append(name)
        return guest_image(name)

    monkeypatch.setattr("veritape.apps.compiled_kernels.guest_image", asked)
    backend = compiled_kernels.trace_backend()
    assert seen == [REHEARSED]
    (done,) = backend.run(rv32.image(rv32.halt()), [b""], Limits())
    assert isinstance(done, SimulatedReceipt)


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
