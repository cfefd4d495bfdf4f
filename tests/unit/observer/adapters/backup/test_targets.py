"""Places for backups."""

import errno
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import pytest

from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.observer.adapters.backup import targets
from veritape.observer.adapters.backup.targets import (
    FolderTarget,
    StoreTarget,
    Target,
    open_target,
    same_device,
)


@pytest.fixture(params=["file", "memory"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    fsspec.filesystem("memory").store.clear()
    return open_target(f"file://{tmp_path}/far" if request.param == "file" else "memory://far")


@pytest.fixture
def local(tmp_path: Path) -> Path:
    path = tmp_path / "local"
    path.write_bytes(b"content")
    return path


def test_a_target_keeps_what_it_is_given(target: Target, local: Path) -> None:
    """OB-752, OB-753: a folder and any store of fsspec do the same."""
    assert (target.size("objects/a"), target.read("objects/a"), target.names("objects")) == (None, None, [])
    target.send("objects/a", local)
    assert (target.size("objects/a"), target.read("objects/a")) == (7, b"content")
    assert b"".join(target.chunks("objects/a", 7)) == b"content"
    assert [stored.name for stored in target.names("objects")] == ["objects/a"]
    target.delete("objects/a")
    target.delete("objects/a")
    assert target.size("objects/a") is None
    assert target.names("temporary") == []


def test_an_object_is_not_sent_again_unless_it_is_to_be_replaced(target: Target, local: Path) -> None:
    """OB-753: immutable."""
    target.send("objects/a", local)
    local.write_bytes(b"other")
    target.send("objects/a", local)
    assert target.read("objects/a") == b"content"
    target.send("objects/a", local, replace=True)
    assert target.read("objects/a") == b"other"


def test_a_document_is_written_once_unless_it_is_to_be_replaced(target: Target) -> None:
    target.write("manifests/a.json", b"1")
    with pytest.raises(FileExistsError):
        target.write("manifests/a.json", b"2")
    target.write("manifests/a.json", b"3", replace=True)
    assert target.read("manifests/a.json") == b"3"


def test_a_large_object_is_read_in_pieces(
    target: Target, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OB-756: memory does not follow the size; an empty object is one, too."""
    monkeypatch.setattr(targets, "CHUNK_BYTES", 3)
    target.send("a", local)
    assert list(target.chunks("a", 7)) == [b"con", b"ten", b"t"]
    local.write_bytes(b"")
    target.send("b", local)
    assert b"".join(target.chunks("b", 0)) == b""


def test_a_folder_never_shows_half_an_object(
    local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OB-753, OB-010: temporary name, fsync, rename, fsync of the directory; what fails leaves nothing behind."""
    calls: list[str] = []
    rename = Path.rename

    def renamed(old: Path, new: Path) -> Path:
        calls.append("rename")
        return rename(old, new)

    monkeypatch.setattr(os, "fsync", lambda _: calls.append("fsync"))
    monkeypatch.setattr(Path, "rename", renamed)
    folder = FolderTarget(tmp_path / "far")
    folder.send("objects/a", local)
    assert calls == ["fsync", "rename", "fsync"]
    assert (tmp_path / "far" / "objects" / "a").stat().st_mode & 0o777 == 0o444

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(UnavailableError, match="No space left on device"):
        folder.send("objects/b", local)
    assert [path.name for path in (tmp_path / "far").rglob("*") if path.is_file()] == ["a"]


def test_a_store_that_fails_is_unavailable(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OB-991: unreachable or full, whatever exception its driver has for it."""
    target = open_target("memory://far")
    assert isinstance(target, StoreTarget)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("connection lost")

    for name in ("info", "put_file", "pipe_file", "cat_file", "find", "rm_file"):
        monkeypatch.setattr(target._store, name, fail)
    actions: list[Callable[[], Any]] = [
        lambda: target.size("a"), lambda: target.read("a"), lambda: target.names(""), lambda: target.delete("a"),
        lambda: target.send("a", local, replace=True), lambda: target.write("a", b"", replace=True),
        lambda: list(target.chunks("a", 5)),
    ]  # fmt: skip
    for action in actions:
        with pytest.raises(UnavailableError, match="memory://far: connection lost"):
            action()

    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError("no such bucket")

    monkeypatch.setattr(target._store, "pipe_file", missing)
    with pytest.raises(UnavailableError, match="no such bucket"):
        target.write("a", b"", replace=True)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3://key:secret@bucket/x", "use the environment"),
        ("file://host/x", "file:///folder"),
        ("nosuch://x", "nosuch"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str, words: str) -> None:
    """OB-752: and a secret in it is not repeated."""
    with pytest.raises(MisuseError, match=words) as caught:
        open_target(url)
    assert "secret" not in caught.value.message


def test_a_store_without_its_library_is_refused_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("x", name="s3fs")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(MisuseError, match=r"s3fs is not installed: pip install 'veritape\[s3\]'"):
        open_target("s3://bucket/x")


def test_targets_on_the_disk_of_the_data_are_noticed(tmp_path: Path) -> None:
    """OB-752: only when all of them are."""
    here = FolderTarget(tmp_path / "not" / "there")
    assert same_device([here], tmp_path)
    assert not same_device([here, open_target("memory://far")], tmp_path)
    assert not same_device([FolderTarget(Path("/proc"))], tmp_path)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"LastModified": datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)}, 2_000_000_000),
        ({"mtime": 1.5}, 1_500_000_000),
        ({"created": datetime(1970, 1, 1, 0, 0, 3, tzinfo=UTC)}, 3_000_000_000),
        ({"size": 5}, 1 << 62),
    ],
)
def test_the_age_of_a_file_is_what_the_driver_tells(facts: dict[str, Any], expected: int) -> None:
    """OB-754: without it nothing is ever old."""
    assert targets._modified_ns(facts) == expected
