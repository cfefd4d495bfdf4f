"""What a backup has to do, and when."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.observer import backup
from veritape.observer.backup import DAY_NS, MINUTE_NS, LocalFile, Schedule
from veritape.observer.manifests import FileEntry, Manifest, digest
from veritape.observer.recorder import KST_NS

ENTRY = FileEntry(path="a", bytes=1, blake3=digest(b"a"))
KNOWN = Manifest(
    venue="KRX",
    day="20131007",
    created_ns=100,
    files=(ENTRY,),
    lines={},
    last_seal="",
    previous=None,
    veritape="0",
)
NINE_PM_NS = 21 * 60 * MINUTE_NS - KST_NS
"""21:00 in Seoul on 1970-01-01, nanoseconds UTC."""


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (LocalFile("a", 1, 99), ENTRY),
        (LocalFile("a", 1, 100), None),
        (LocalFile("a", 2, 99), None),
        (LocalFile("b", 1, 99), None),
    ],
)
def test_a_file_is_hashed_again_unless_it_was_not_touched(
    file: LocalFile, expected: FileEntry | None
) -> None:
    """OB-751: a file that is older than the manifest that names it, and of its size, is what it was."""
    assert backup.unchanged(file, KNOWN) == expected
    assert backup.unchanged(file, None) is None


def test_what_the_retention_deleted_stays_in_the_backup() -> None:
    """OB-732: a later manifest of the day names what is no longer here."""
    newer = ENTRY.model_copy(update={"blake3": digest(b"b")})
    other = FileEntry(path="0", bytes=1, blake3=digest(b"0"))
    assert backup.merged([other], KNOWN) == (other, ENTRY)
    assert backup.merged([newer], KNOWN) == (newer,)
    assert backup.merged([ENTRY], None) == (ENTRY,)


def test_all_or_a_sample_is_read_back() -> None:
    """OB-756: all by default; sample:N draws N, others the next time."""
    new = [digest(bytes([n])) for n in range(50)]
    assert backup.to_read_back(new, "all", "x") == new
    drawn = backup.to_read_back(new, "sample:5", "20131007-1")
    assert (len(drawn), set(drawn) <= set(new)) == (5, True)
    assert set(drawn) != set(backup.to_read_back(new, "sample:5", "20131008-1"))
    assert backup.to_read_back(new[:2], "sample:5", "x") in (new[:2], new[1::-1])
    for wrong in ("sample:0", "none", "sample:", "all "):
        with pytest.raises(ValueError, match="neither all nor sample:N"):
            backup.to_read_back(new, wrong, "x")


def test_only_old_objects_without_a_manifest_are_cleaned() -> None:
    """OB-754: unlisted objects are cleaned after 7 days, younger ones may belong to a running backup."""
    stored = {"listed": 0, "old": DAY_NS, "young": DAY_NS + 1}
    assert backup.unlisted(stored, ["listed"], 8 * DAY_NS) == []
    assert backup.unlisted(stored, ["listed"], 8 * DAY_NS + 1) == ["old"]


def test_the_backup_runs_at_nine_in_the_evening_once_a_day() -> None:
    """OB-751: 21:00 Asia/Seoul, once a day; one that was missed is due at once."""
    schedule = Schedule(backup.minute_of("21:00"), 7)
    assert schedule.backup_due_ns(0, 0, 0) == NINE_PM_NS
    assert schedule.backup_due_ns(NINE_PM_NS - 1, 0, 0) == NINE_PM_NS
    assert schedule.backup_due_ns(NINE_PM_NS, 0, 0) == NINE_PM_NS + DAY_NS
    assert schedule.backup_due_ns(NINE_PM_NS + 3 * DAY_NS - 1, 0, 0) == NINE_PM_NS + 3 * DAY_NS


def test_a_failed_backup_is_tried_again_after_5_15_60_minutes_then_hourly() -> None:
    """OB-751: until it succeeded."""
    schedule = Schedule(21 * 60, 7)
    waits = [schedule.backup_due_ns(0, failures, 1000) - 1000 for failures in (1, 2, 3, 4, 9)]
    assert waits == [minutes * MINUTE_NS for minutes in (5, 15, 60, 60, 60)]


def test_a_drill_is_due_after_its_days() -> None:
    """OB-762: weekly by default."""
    assert Schedule(0, 7).drill_due_ns(5) == 5 + 7 * DAY_NS


@given(st.integers(0, 1439), st.integers(0, 10**19))
def test_the_next_backup_is_always_ahead_and_within_a_day(minute: int, done_ns: int) -> None:
    """OB-751: never twice at one time of day, never a day left out."""
    schedule = Schedule(minute, 7)
    due_ns = [done_ns]
    for _ in range(3):
        due_ns.append(schedule.backup_due_ns(due_ns[-1], 0, 0))
    assert all(0 < later - earlier <= DAY_NS for earlier, later in pairwise(due_ns))
    assert (due_ns[1] + KST_NS) % DAY_NS == minute * MINUTE_NS
