"""``veritape backup``."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.backup_world import World, world
from tests.binance import FIRST, SECOND, frames
from tests.recorded_day import record_day
from tests.unit.observer.adapters.binance.test_recording import opened, written

from veritape.apps.backup import backup
from veritape.apps.drill import drill
from veritape.kernel.errors import CheckFailedError, MisuseError, UnavailableError
from veritape.observer.adapters.backup.records import Records
from veritape.observer.adapters.control_database import ControlDatabase
from veritape.observer.control import BACKUPS, FILE_NAME
from veritape.observer.manifests import BackupReason
from veritape.telemetry.adapters.audit_files import log_files


@pytest.fixture
def one(tmp_path: Path) -> World:
    return world(tmp_path)


def run(one: World, *words: str) -> Result:
    arguments = ["--data", str(one.data), "--to", one.target.url, *words]
    return CliRunner().invoke(backup, arguments, standalone_mode=False)


def document(one: World, *words: str) -> dict[str, Any]:
    result = run(one, "--json", *words)
    assert result.exception is None, result.output
    return dict(json.loads(result.stdout))


def logged(one: World, kind: str) -> list[dict[str, Any]]:
    lines = [line for path in log_files(one.data / "audit") for line in path.read_bytes().splitlines()]
    return [record for line in lines if (record := json.loads(line))["kind"] == kind]


def test_it_says_what_it_sent(one: World) -> None:
    """OB-971: files, new objects, bytes, manifest hash; nothing but the document on stdout; the shared disk is a warning."""
    told = document(one)
    assert [(day["day"], day["files"], day["new_objects"]) for day in told["days"]] == [
        ("20131007", 6, 6), ("20131008", 7, 5),
    ]  # fmt: skip
    assert len(told["days"][0]["manifest_blake3"]) == 64
    result = run(one)
    assert result.stdout == "nothing changed since the last backup\n"
    assert "every target is on the disk of the data itself" in result.stderr
    assert one.reasons() == []


def test_the_plain_form_names_the_manifest(one: World) -> None:
    """OB-971."""
    lines = run(one).stdout.splitlines()
    assert lines[0].startswith(f"20131007 {one.target.url}: 6 files, ")
    assert " objects, " in lines[1]
    assert "manifest 20131008-1 " in lines[1]


def test_a_dry_run_says_the_same_and_does_nothing(one: World, tmp_path: Path) -> None:
    """OB-733, OB-971: the list of what would be sent and deleted equals what is, then."""
    assert [day["new_objects"] for day in document(one, "--dry-run")["days"]] == [6, 7]
    assert not (tmp_path / "target").exists()
    run(one)
    planned = document(one, "--dry-run", "--prune")["deleted"]
    assert "would be deleted journal/KRX/20131007/0851-0.vtj" in run(one, "--dry-run", "--prune").stdout
    assert logged(one, "retention_deleted") == []
    done = document(one, "--prune")["deleted"]
    assert done == planned
    assert [record["subject"] for record in logged(one, "retention_deleted")] == [
        event["path"] for event in done
    ]
    assert len(done) == 2
    assert list(one.data.rglob("*.vtj")) == []
    assert one.reasons("20131007") == []


def test_the_configured_targets_are_all_sent_to(one: World, tmp_path: Path) -> None:
    """OB-752: and the live process learns that it is done."""
    urls = [f"file://{tmp_path}/a", f"file://{tmp_path}/b"]
    (tmp_path / "c.toml").write_text(
        f'[observer]\ndata_dir = "{one.data}"\n[backup]\ntargets = {json.dumps(urls)}\n'
    )
    result = CliRunner().invoke(
        backup, ["--config", str(tmp_path / "c.toml"), "--json"], standalone_mode=False
    )
    assert [(day["target"], day["day"]) for day in json.loads(result.stdout)["days"]] == [
        (url, day) for url in urls for day in ("20131007", "20131008")
    ]
    assert Records(one.data).state().backup_ns > 0


def test_a_verification_that_fails_exits_1(one: World) -> None:
    """OB-971, OB-756: and what the retention needs is lost is said."""
    run(one, "--prune")
    one.remove("0851-0.vtj")
    failed = run(one, "--day", "20131008").exception
    assert isinstance(failed, CheckFailedError)
    assert (failed.exit_code, failed.reason) == (1, BackupReason.OBJECT_MISSING)


def test_bad_usage_exits_2(one: World) -> None:
    """OB-971."""
    record_day(one.data, "20131010", over=False)
    for words in (["--day", "20131010"], ["--day", "x"]):
        failed = run(one, *words).exception
        assert isinstance(failed, MisuseError)
        assert failed.exit_code == 2
    (one.data.parent / "empty").mkdir()
    for words in (["--to", "file:///x"], ["--data", str(one.data.parent / "empty"), "--to", "file:///x"]):
        assert isinstance(CliRunner().invoke(backup, words, standalone_mode=False).exception, MisuseError)


def test_a_target_that_is_away_exits_1_and_deletes_nothing(one: World, tmp_path: Path) -> None:
    """OB-991: unreachable: never deletes local data."""
    (tmp_path / "target").write_bytes(b"a file, no folder")
    before = sorted(one.data.rglob("*"))
    failed = run(one, "--prune").exception
    assert isinstance(failed, UnavailableError)
    assert failed.exit_code == 1
    assert sorted(path for path in one.data.rglob("*") if "backup" not in path.parts[-2:]) == before


def test_a_backup_stands_in_the_audit_log_and_in_control_db(one: World) -> None:
    """OB-561, OB-754: and the next manifest holds the log's head, so that a log that was cut is noticed."""
    ControlDatabase(one.data / FILE_NAME).close()
    run(one)
    made = logged(one, "backup_made")
    assert [record["subject"] for record in made] == ["manifest:20131007-1", "manifest:20131008-1"]
    database = ControlDatabase(one.data / FILE_NAME)
    rows = database.rows(BACKUPS)
    database.close()
    assert [(row["manifest"], row["verified"]) for row in rows] == [("20131007-1", 1), ("20131008-1", 1)]
    assert one.latest()[1].audit_log is None
    record_day(one.data, "20131010")
    run(one)
    head = one.latest()[1].audit_log
    assert head is not None
    assert (head.seq, head.hash) == (2, made[-1]["hash"])


def test_it_waits_for_nobody(one: World) -> None:
    with Records(one.data).alone():
        assert isinstance(run(one).exception, UnavailableError)


async def test_a_recording_of_the_second_venue_is_backed_up_and_drilled(tmp_path: Path) -> None:
    """OB-901, OB-751, OB-762: the recorder's own file names the venue; its other tables are left to the recorder."""
    book = await written(tmp_path / "data", opened(), *frames(FIRST, SECOND))
    book.recording.seal_due(FIRST, 0, all_hours=True)
    await book.close()
    config = tmp_path / "record.toml"
    config.write_text(
        f'[observer]\ndata_dir = "{tmp_path}/data"\nvenue = "BINANCE"\n[binance]\ncodes = ["BTCUSDT"]\n'
        f'[backup]\ntargets = ["file://{tmp_path}/target"]\n'
    )
    sent = CliRunner().invoke(backup, ["--config", str(config), "--json"], standalone_mode=False)
    assert sent.exception is None
    assert [one["day"] for one in json.loads(sent.stdout)["days"]] == [FIRST]
    proven = CliRunner().invoke(drill, ["--config", str(config), "--json"], standalone_mode=False)
    document = json.loads(proven.stdout)
    assert (document["passed"], document["lines"], proven.return_value) == (True, 1, 0)
