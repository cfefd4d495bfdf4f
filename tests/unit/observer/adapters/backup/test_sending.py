"""Days on their way to a target."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.backup_world import HOW, World, world
from tests.recorded_day import DAYS, SWEEP, record_day

from veritape.kernel.canonical import canonical_json
from veritape.kernel.errors import CheckFailedError, MisuseError, UnavailableError
from veritape.observer.adapters.backup.chain import read_chain
from veritape.observer.adapters.backup.records import Records
from veritape.observer.adapters.backup.sending import How
from veritape.observer.adapters.backup.targets import FolderTarget
from veritape.observer.backup import DAY_NS
from veritape.observer.manifests import LATEST, BackupReason, manifest_path, object_name, parse


@pytest.fixture
def one(tmp_path: Path) -> World:
    return world(tmp_path)


def test_every_day_that_is_over_is_sent_and_then_nothing(one: World) -> None:
    """OB-751, OB-753, OB-754: a missed day is done with the next; existing objects are not sent again."""
    sent = one.backup()
    assert [(day.day, day.manifest, day.files) for day in sent] == [
        ("20131007", "20131007-1", 6),
        ("20131008", "20131008-1", 7),
    ]
    assert [day.new_objects for day in sent] == [6, 5], "the sweep's manifest and the seal are known"
    chain = read_chain(one.target)
    assert [written.name for written in chain.written] == ["20131008-1", "20131007-1"]
    assert chain.written[1].manifest.previous is None
    assert all(line.status == "complete" for line in chain.written[0].manifest.lines.values())
    one.told.clear()
    assert one.backup() == []
    assert one.told == [], "nothing is hashed or read again"


def test_nothing_secret_is_sent(one: World) -> None:
    """OB-751: never secrets."""
    one.backup()
    assert all(b"planted-token" not in one.read(stored.name) for stored in one.target.names("objects"))


def test_a_changed_day_gets_another_manifest(one: World) -> None:
    """OB-754: YYYYMMDD-n; what is gone here stays named."""
    one.backup()
    (one.data / "sweeps" / "venue=KRX" / "day=20131007" / "0910.json").write_bytes(
        canonical_json({**SWEEP, "cycle": 1})
    )
    (one.data / "universe" / "20131007_kr_stocks.json").unlink()
    (sent,) = one.backup()
    assert (sent.manifest, sent.files, sent.new_objects) == ("20131007-2", 7, 1)
    paths = [entry.path for entry in one.latest()[1].files]
    assert "universe/20131007_kr_stocks.json" in paths
    assert one.latest()[1].lines != {}


def test_the_figures_of_a_day_whose_journal_is_gone_stay(one: World) -> None:
    """OB-754: half a journal says nothing of a day."""
    one.backup()
    said = one.latest()[1].lines
    shutil.rmtree(one.data / "journal" / "KRX" / "20131008")
    (one.data / "sweeps" / "venue=KRX" / "day=20131008" / "0910.json").write_bytes(
        canonical_json({**SWEEP, "cycle": 1})
    )
    one.backup()
    assert one.latest()[1].lines == said


def test_one_day_is_looked_at_thoroughly_and_repaired(one: World) -> None:
    """OB-756: with a day, every object is read back; what is damaged or missing is sent again."""
    one.backup()
    one.damage("09.parquet")
    one.remove("0851-0.vtj")
    assert one.reasons() == ["object_missing", "object_corrupt"]
    assert one.backup() == [], "by itself it trusts what was read back"
    (sent,) = one.backup("20131008", How("0.1.0", thorough=True))
    assert (sent.manifest, sent.new_objects) == ("20131008-1", 2)
    assert one.reasons() == []


@pytest.mark.parametrize(("day", "words"), [("20131010", "is not over"), ("20131231", "is not recorded")])
def test_a_day_that_is_not_over_is_refused(one: World, day: str, words: str) -> None:
    """OB-971."""
    record_day(one.data, "20131010", over=False)
    with pytest.raises(MisuseError, match=f"{words}.*20131007, 20131008"):
        one.backup(day)


def test_a_preview_writes_nothing(one: World, tmp_path: Path) -> None:
    """OB-971: --dry-run."""
    preview = one.sending().preview()
    assert [(day.day, day.manifest, day.new_objects) for day in preview] == [
        ("20131007", "", 6),
        ("20131008", "", 7),
    ]
    assert not (tmp_path / "target").exists()
    one.backup()
    assert one.sending().preview() == []


def test_a_sample_is_read_back_and_the_rest_is_not_proven(one: World) -> None:
    """OB-756: sample:N."""
    one.backup(how=How("0.1.0", "sample:2"))
    verified = Records(one.data).verified(one.target.url)
    assert len(verified) == 4
    one.backup(how=How("0.1.0", "sample:2"))
    assert Records(one.data).verified(one.target.url) == verified
    assert len(one.backup()) == 2
    assert len(Records(one.data).verified(one.target.url)) == 11


SOAK = os.environ.get("VERITAPE_SOAK") == "1"  # noqa: TID251 - the size of a test is asked for from outside


class Stopped(Exception):  # noqa: N818 - not an error: the power went
    """The process is gone."""


class Dying(FolderTarget):
    """A target whose client dies before its n-th write."""

    def __init__(self, root: Path, steps: int) -> None:
        super().__init__(root)
        self.left = steps

    def _asked(self, action: Callable[[], object]) -> object:  # type: ignore[override]
        self.left -= 1
        if self.left < 0:
            raise Stopped
        return super()._asked(action)


def test_a_backup_that_dies_at_any_step_is_taken_up(tmp_path: Path) -> None:
    """OB-764: interrupted backups resume: at every step the chain is whole, and the next run completes it."""
    fresh = world(tmp_path, days=1)
    expected = None
    for steps in range(0, 200, 1 if SOAK else 6):
        shutil.rmtree(fresh.data / "backup", ignore_errors=True)
        root = tmp_path / f"target-{steps}"
        fresh.target = Dying(root, steps)
        try:
            fresh.backup()
            done = True
        except Stopped:
            done = False
        fresh.target = FolderTarget(root)
        if (root / LATEST).exists():
            assert fresh.reasons() == []
        fresh.backup()
        assert fresh.reasons() == []
        objects = [stored.name for stored in fresh.target.names("objects")]
        expected = expected or objects
        assert objects == expected
        shutil.rmtree(root)
        if done:
            break
    else:
        pytest.fail("it never came to its end")


@pytest.mark.parametrize("gone", ["hashed", "sent"])
def test_a_file_that_goes_away_meanwhile_is_said(one: World, gone: str) -> None:
    """OB-991: the next run sends what is there then."""
    sending = one.sending()

    def tell(what: str, _: int) -> None:
        if what == gone:
            (one.data / "universe" / "20131007_kr_stocks.json").unlink(missing_ok=True)

    sending.told = tell
    with pytest.raises(UnavailableError, match=r"20131007_kr_stocks.json went away meanwhile: run it again"):
        sending.run()


def test_unlisted_objects_are_cleaned_after_a_week(one: World) -> None:
    """OB-754: objects without a manifest and leavings of interrupted uploads; nothing that a manifest names."""
    one.backup()
    listed = {stored.name for stored in one.target.names("objects")}
    for name in (object_name("ab" * 32), "temporary/1234"):
        one.target.write(name, b"x")
    young = one.sending()
    newest_ns = max(stored.modified_ns for stored in one.target.names("objects"))
    young.wall_ns = lambda: newest_ns
    assert young.clean() == []
    assert sorted(one.sending().clean()) == [object_name("ab" * 32), "temporary/1234"]
    assert {stored.name for stored in one.target.names("objects")} == listed
    assert newest_ns + 8 * DAY_NS < one.now_ns


def test_a_broken_chain_is_not_continued(one: World) -> None:
    """OB-763: without a copy here nothing is written behind it."""
    one.backup()
    one.cut_chain()
    shutil.rmtree(one.data / "backup")
    record_day(one.data, DAYS[2])
    with pytest.raises(CheckFailedError) as caught:
        one.backup(how=HOW)
    assert caught.value.reason is BackupReason.CHAIN_BROKEN
    assert parse(one.read(manifest_path("20131008-1"))).day == "20131008"
