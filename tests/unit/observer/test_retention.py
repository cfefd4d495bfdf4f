"""What may be deleted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.observer import retention
from veritape.observer.retention import Candidate, DayFacts, Disk, FileKind, Kept, Plan, Rules

EMPTY = Disk(10, 100)
SEALED, STRANGE, OPEN = DayFacts(True, False), DayFacts(True, True), DayFacts(False, False)


def candidate(
    path: str,
    day: str,
    kind: FileKind = FileKind.JOURNAL,
    manifest: str | None = "20131007-1",
    size: int = 10,
) -> Candidate:
    return Candidate(path, kind, day, size, manifest, "ab" if manifest else "")


def one_plan(one: Candidate, facts: DayFacts | None, today: str, disk: Disk = EMPTY) -> Plan:
    return retention.plan([one], {one.day: facts} if facts else {}, Rules(), today, disk)


@pytest.mark.parametrize(
    ("facts", "today", "expected"),
    [
        (SEALED, "20131009", Kept.YOUNG),
        (SEALED, "20131010", None),
        (STRANGE, "20131010", Kept.YOUNG),
        (STRANGE, "20131013", Kept.YOUNG),
        (STRANGE, "20131014", None),
        (OPEN, "20131207", Kept.NOT_SEALED),
        (None, "20131207", Kept.NOT_SEALED),
    ],
)
def test_a_journal_stays_3_days_or_7_and_until_its_day_is_sealed(
    facts: DayFacts | None, today: str, expected: Kept | None
) -> None:
    """OB-731, OB-732: 3 days, 7 for an anomaly day, never before its hours are sealed."""
    plan = one_plan(candidate("j", "20131007"), facts, today)
    assert plan.kept.get("j") is expected
    assert [one.path for one in plan.delete] == ([] if expected else ["j"])


def test_an_export_needs_no_seal() -> None:
    """OB-732: only journal files wait for their hours to be sealed."""
    plan = one_plan(candidate("e", "20131007", FileKind.EXPORT), OPEN, "20131010")
    assert [one.path for one in plan.delete] == ["e"]


def test_what_is_not_backed_up_is_never_deleted_and_an_alert_after_10_days() -> None:
    """OB-731, OB-732: the rule wins over the cap of 10 days, and the cap alerts."""
    lonely = candidate("j", "20131007", manifest=None)
    for today, blocked in (("20131016", ()), ("20131017", ("j",)), ("20991231", ("j",))):
        plan = one_plan(lonely, SEALED, today, Disk(99, 100))
        assert (plan.delete, plan.kept, plan.blocked) == ((), {"j": Kept.NOT_BACKED_UP}, blocked)


def test_a_days_journal_goes_as_a_whole_or_not_at_all() -> None:
    """OB-732: one file that is not backed up keeps the others: half a journal proves nothing."""
    files = [candidate("a", "20131007"), candidate("b", "20131007", manifest=None)]
    plan = retention.plan(files, {"20131007": SEALED}, Rules(), "20131012", EMPTY)
    assert (plan.delete, set(plan.kept)) == ((), {"a", "b"})


def test_a_full_disk_lets_the_oldest_allowed_go_down_to_70_percent() -> None:
    """OB-732: 80 % warns, at 90 % the oldest allowed go, to 70 %; what is not allowed stays whatever the disk says."""
    files = [
        candidate("first", "20131007", manifest=None),
        candidate("second", "20131008"),
        candidate("third", "20131009"),
        candidate("fourth", "20131010"),
    ]
    days = {file.day: SEALED for file in files}

    def plan(used: int) -> Plan:
        return retention.plan(files, days, Rules(), "20131010", Disk(used, 100))

    assert [plan(used).disk_warning for used in (79, 80)] == [False, True]
    assert plan(89).delete == ()
    assert [one.path for one in plan(90).delete] == ["second", "third"]
    assert [one.path for one in plan(95).delete] == ["second", "third", "fourth"]
    assert plan(95).kept == {"first": Kept.NOT_BACKED_UP}


def test_the_facts_of_a_day_are_asked_for_only_when_they_decide() -> None:
    assert not retention.may_go(candidate("j", "20131007"), Rules(), "20131009", EMPTY)
    assert retention.may_go(candidate("j", "20131007"), Rules(), "20131009", Disk(90, 100))
    assert retention.may_go(candidate("j", "20131007"), Rules(), "20131010", EMPTY)
    assert not retention.may_go(candidate("j", "20131007", manifest=None), Rules(), "20131020", EMPTY)


DAY = st.integers(1, 28).map(lambda day: f"201310{day:02}")
CANDIDATES = st.lists(
    st.builds(
        Candidate,
        path=st.uuids().map(str),
        kind=st.sampled_from(FileKind),
        day=DAY,
        size=st.integers(0, 50),
        manifest=st.none() | st.just("20131007-1"),
        blake3=st.just("ab"),
    ),
    max_size=12,
)


@given(
    CANDIDATES,
    st.dictionaries(DAY, st.builds(DayFacts, st.booleans(), st.booleans())),
    st.builds(Rules, *[st.integers(1, 30)] * 3),
    DAY,
    st.integers(0, 100),
)
def test_deleted_implies_verified_in_a_manifest(
    candidates: list[Candidate], days: dict[str, DayFacts], rules: Rules, today: str, used: int
) -> None:
    """OB-1024, OB-732: for any files, ages, rules and disk: what goes is in a verified manifest, a journal sealed; all is said."""
    plan = retention.plan(candidates, days, rules, today, Disk(used, 100))
    for one in plan.delete:
        assert one.manifest is not None
        assert one.kind is FileKind.EXPORT or days[one.day].sealed
        old = int(today) - int(one.day) >= min(rules.raw_days, rules.anomaly_days)
        assert old or used >= retention.FULL_PERCENT
    paths = [one.path for one in plan.delete]
    assert sorted([*paths, *plan.kept]) == sorted(one.path for one in candidates)
    assert set(plan.blocked) <= {path for path, why in plan.kept.items() if why is Kept.NOT_BACKED_UP}
