"""What is deleted is elsewhere."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.backup_world import World, world
from tests.recorded_day import record_day

from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import PeerError, UnavailableError
from veritape.observer.adapters.backup.deleting import Deleting
from veritape.observer.adapters.backup.records import Records
from veritape.observer.adapters.backup.sending import How
from veritape.observer.adapters.backup.source import Source
from veritape.observer.manifests import digest, object_name
from veritape.observer.retention import Kept, Rules
from veritape.telemetry.adapters.audit_files import AuditFiles, log_files, verify_files

JOURNAL = "journal/KRX/{}/0851-0.vtj"
WINDOW = "export/scalp_20131007_0900.jsonl"


def deleting(one: World) -> Deleting:
    log = AuditFiles(one.data, SystemClock())
    return Deleting(Source(one.data), Records(one.data), Rules(), log, "cli:me")


def logged(one: World) -> list[dict[str, Any]]:
    """Return the deletions in the audit log, whose chain holds."""
    verify_files(one.data)
    lines = [line for path in log_files(one.data / "audit") for line in path.read_bytes().splitlines()]
    return [record for line in lines if (record := json.loads(line))["kind"] == "retention_deleted"]


@pytest.fixture
def one(tmp_path: Path) -> World:
    made = world(tmp_path)
    (made.data / WINDOW).write_bytes(b"{}\n")
    return made


def test_only_what_is_verified_goes_and_each_deletion_is_an_event(one: World) -> None:
    """OB-732, OB-733: path, bytes, hash, manifest; a plan says the same before; audit reports and segments stay."""
    keeper = deleting(one)
    assert keeper.plan("20131030").delete == ()
    one.backup()
    content = (one.data / JOURNAL.format("20131007")).read_bytes()
    plan = keeper.plan("20131010")
    assert [candidate.path for candidate in plan.delete] == [WINDOW, JOURNAL.format("20131007")]
    events = keeper.run(plan)
    assert [event["path"] for event in events] == [WINDOW, JOURNAL.format("20131007")]
    last = logged(one)[-1]
    assert (last["subject"], last["actor"]) == (JOURNAL.format("20131007"), "cli:me")
    assert last["detail"] == {"bytes": len(content), "blake3": digest(content), "manifest": "20131007-1"}
    assert len(logged(one)) == len(events)
    assert one.read(object_name(digest(content))) == content
    assert not (one.data / WINDOW).exists()
    assert keeper.plan("20131010").delete == ()
    left = {path.relative_to(one.data).parts[0] for path in one.data.rglob("*") if path.is_file()}
    assert {"trades", "sweeps", "universe"} <= left
    assert (one.data / "export" / "audit_20131007.json").exists()


def test_a_sample_that_was_not_read_back_does_not_count(one: World) -> None:
    """OB-732, OB-756."""
    one.backup(how=How("0.1.0", "sample:1"))
    proven = Records(one.data).verified(one.target.url)
    for candidate in deleting(one).plan("20131030").delete:
        assert candidate.blake3 in proven


def test_an_unsealed_day_keeps_its_journal(tmp_path: Path) -> None:
    """OB-732: before its hours are sealed."""
    made = world(tmp_path, days=0)
    record_day(made.data, "20131007", seal=False)
    made.backup()
    plan = deleting(made).plan("20131030")
    assert (plan.delete, plan.kept) == ((), {JOURNAL.format("20131007"): Kept.NOT_SEALED})


def test_a_file_that_changed_after_its_backup_stays(one: World) -> None:
    """OB-732: what goes is what the manifest names, byte for byte."""
    one.backup()
    keeper = deleting(one)
    plan = keeper.plan("20131030")
    (one.data / WINDOW).write_bytes(b"[]\n")
    assert WINDOW not in [event["path"] for event in keeper.run(plan)]
    assert (one.data / WINDOW).exists()
    (one.data / WINDOW).write_bytes(b"longer than before\n")
    assert keeper.plan("20131030").kept[WINDOW] is Kept.NOT_BACKED_UP


def test_a_damaged_receipt_keeps_everything(one: World) -> None:
    """OB-732."""
    one.backup()
    for path in (one.data / "backup").rglob("*.receipt.json"):
        path.write_bytes(b"")
    assert deleting(one).plan("20131030").delete == ()
    assert len(deleting(one).plan("20131030").blocked) == 3


class Keeping(RuleBasedStateMachine):
    """Files appear and change, backups run and are damaged by time, the retention runs on any day."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.one = world(Path(self.folder.name), days=1)
        self.deleted: dict[str, str] = {}
        self.number = 0

    @rule(content=st.binary(max_size=20), number=st.integers(0, 5))
    def export(self, content: bytes, number: int) -> None:
        path = self.one.data / "export" / f"scalp_20131007_09{number:02}.jsonl"
        path.write_bytes(content)

    @rule(verify=st.sampled_from(["all", "sample:1"]))
    def backup(self, verify: str) -> None:
        self.one.backup(how=How("0.1.0", verify))

    @rule(day=st.integers(7, 30))
    def retain(self, day: int) -> None:
        keeper = deleting(self.one)
        for event in keeper.run(keeper.plan(f"201310{day:02}")):
            self.deleted[event["path"]] = event["blake3"]

    @precondition(lambda self: self.deleted)
    @invariant()
    def what_is_deleted_can_be_restored(self) -> None:
        verified = Records(self.one.data).verified(self.one.target.url)
        for path, blake3 in self.deleted.items():
            assert blake3 in verified, path
            assert digest(self.one.read(object_name(blake3))) == blake3

    def teardown(self) -> None:
        self.folder.cleanup()


def test_whatever_happens_deleted_implies_verified_and_still_to_be_had() -> None:
    """OB-1024, OB-732: any order of exports, backups, samples and retentions."""
    run_state_machine_as_test(
        Keeping, settings=settings(max_examples=12, stateful_step_count=12, deadline=None)
    )


def test_an_event_comes_before_its_deletion(one: World) -> None:
    """OB-733: when the log cannot be written nothing is deleted."""
    one.backup()
    keeper = deleting(one)
    (one.data / "audit").write_bytes(b"in the way")
    with pytest.raises(UnavailableError):
        keeper.run(keeper.plan("20131030"))
    assert (one.data / JOURNAL.format("20131007")).exists()


def test_an_anomaly_keeps_a_journal_for_seven_days(one: World) -> None:
    """OB-731: a failed drill makes the day an anomaly; four days more."""
    one.backup()
    Records(one.data).change(drill_failed_ns=1)
    keeper = deleting(one)
    assert keeper.plan("20131013").delete == ()
    assert [one.path for one in keeper.plan("20131014").delete] == [WINDOW, JOURNAL.format("20131007")]


def test_a_day_whose_journal_cannot_be_read_keeps_it(one: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """OB-732: what is not known to be sealed is not."""
    one.backup()

    def damaged(_: Source, day: str) -> None:
        raise PeerError(f"{day}: a block does not unpack")

    monkeypatch.setattr(Source, "proof", damaged)
    plan = deleting(one).plan("20131030")
    assert plan.kept[JOURNAL.format("20131007")] is Kept.NOT_SEALED
