"""Objects: sent, read back, hashed."""

from pathlib import Path

import pytest

from veritape.kernel.errors import CheckFailedError
from veritape.observer.adapters.backup.objects import Wanted, is_sound, read_back, send_missing
from veritape.observer.adapters.backup.targets import FolderTarget
from veritape.observer.manifests import BackupReason, digest, object_name


class BadStore(FolderTarget):
    """A store that loses a bit in the first writes."""

    def __init__(self, root: Path, bad: int) -> None:
        super().__init__(root)
        self._folder, self._bad = root, bad

    def send(self, name: str, source: Path, *, replace: bool = False) -> None:
        super().send(name, source, replace=replace)
        if self._bad:
            self._bad -= 1
            path = self._folder / name
            path.chmod(0o644)
            path.write_bytes(b"X" + path.read_bytes()[1:])


@pytest.fixture
def wanted(tmp_path: Path) -> dict[str, Wanted]:
    found = {}
    for content in (b"one", b"two", b""):
        path = tmp_path / f"local-{content.decode()}"
        path.write_bytes(content)
        found[digest(content)] = Wanted(digest(content), len(content), path)
    return found


def quiet(what: str, size: int) -> None:
    assert (what, size) in {(a, b) for a in ("sent", "read back") for b in (0, 3)}


def test_objects_are_sent_once_and_read_back(tmp_path: Path, wanted: dict[str, Wanted]) -> None:
    """OB-753, OB-756: existing ones are not sent again."""
    target = FolderTarget(tmp_path / "far")
    assert send_missing(target, wanted, quiet) == list(wanted.values())
    assert send_missing(target, wanted, quiet) == []
    assert read_back(target, wanted, "all", "x", quiet) == (set(wanted), [])
    assert len(read_back(target, wanted, "sample:1", "x", quiet).verified) == 1


def test_what_reads_back_differently_is_sent_once_more(tmp_path: Path, wanted: dict[str, Wanted]) -> None:
    """OB-756: re-sent once; different again is backup_corrupt."""
    target = BadStore(tmp_path / "far", bad=1)
    first = next(iter(wanted))
    send_missing(target, wanted, quiet)
    assert read_back(target, wanted, "all", "x", quiet) == (set(wanted), [wanted[first]])
    assert target.read(object_name(first)) == b"one"
    worse = BadStore(tmp_path / "worse", bad=9)
    send_missing(worse, wanted, quiet)
    with pytest.raises(CheckFailedError, match="reads back differently, twice") as caught:
        read_back(worse, wanted, "all", "x", quiet)
    assert caught.value.reason is BackupReason.BACKUP_CORRUPT


def test_what_is_neither_there_nor_here_is_lost_and_said(tmp_path: Path, wanted: dict[str, Wanted]) -> None:
    """OB-732: the file was deleted here because the target had it."""
    target = FolderTarget(tmp_path / "far")
    gone = {key: Wanted(key, one.size, None) for key, one in wanted.items()}
    with pytest.raises(CheckFailedError) as caught:
        send_missing(target, gone, quiet)
    assert caught.value.reason is BackupReason.OBJECT_MISSING
    send_missing(target, wanted, quiet)
    target.write(object_name(digest(b"one")), b"sne", replace=True)
    with pytest.raises(CheckFailedError) as caught:
        read_back(target, gone, "all", "x", quiet)
    assert caught.value.reason is BackupReason.OBJECT_CORRUPT


def test_size_and_hash_make_an_object_sound(tmp_path: Path, wanted: dict[str, Wanted]) -> None:
    target = FolderTarget(tmp_path / "far")
    one = wanted[digest(b"one")]
    for content, sound in ((b"one", True), (b"on", False), (b"ono", False)):
        target.write(object_name(one.digest), content, replace=True)
        assert is_sound(target, one) is sound
    target.delete(object_name(one.digest))
    assert not is_sound(target, one)
