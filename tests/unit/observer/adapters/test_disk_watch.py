"""The disk's room: files wait, changes are told once."""

from pathlib import Path

from structlog.testing import capture_logs

from veritape.observer.adapters.disk_watch import DiskWatch, has_room, space


def test_files_wait_and_every_change_is_told_once(tmp_path: Path) -> None:
    """OB-510: a warning when it gets low, another when only the journal may write, a word when there is room again."""
    free = iter([100, 19, 19, 4, 4, 50])
    watch = DiskWatch(tmp_path, 5, lambda _folder: (next(free), 100))
    with capture_logs() as told:
        assert [watch.has_room() for _ in range(6)] == [True, True, True, False, False, True]
    assert [(one["room"], one["log_level"]) for one in told] == [
        ("low", "warning"), ("scarce", "warning"), ("plenty", "info"),
    ]  # fmt: skip


def test_the_real_disk_has_some_room(tmp_path: Path) -> None:
    """OB-510: of the file system that holds the folder."""
    free, size = space(tmp_path)
    assert has_room(tmp_path, 0)
    assert not has_room(tmp_path, size + 1)
    assert 0 < free <= size
