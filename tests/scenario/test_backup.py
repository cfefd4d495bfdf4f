"""Scenario 8 of the specification: a recorded day, its backup, every way to lose it, and the way back."""

import json
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.backup_world import DAMAGES, World
from tests.scenario.recording_run import CODES, DAY, SOAK, STOP_SECONDS, Run, a_run, totals

from veritape.observer.adapters.backup.targets import FolderTarget
from veritape.observer.manifests import digest

LENGTH = () if SOAK else ("--seconds", "120")
"""The whole day, six and a half minutes in real time, or two minutes of it, two seconds."""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with a_run(tmp_path) as one:
        yield one


def configure(run: Run, more: str = "") -> str:
    """Give the recorder a target; return its URL."""
    url = f"file://{run.folder}/elsewhere"
    with run.configuration.open("a") as file:
        file.write(f'[backup]\ntargets = ["{url}"]\n{more}')
    return url


def assert_true(run: Run, lines: Iterable[dict[str, Any]]) -> None:
    """Compare every figure of an audit with what happened."""
    truth, seen = run.truth(), []
    for line in lines:
        seen.append(line["code"])
        for name, value in totals(truth[line["code"]]).items():
            assert line["recorded"][name] + line["backfilled"][name] + line["residual"][name] == value
    assert seen == list(CODES)


def test_backup_damage_drill_repair_restore(run: Run) -> None:
    """OB-931, OB-763, OB-761, OB-1029: scenario 8: damage fails the drill, the repaired backup passes, what comes back is the truth."""
    broker = run.broker("--speed", "60", *LENGTH, "--fault", "drop=0.02")
    url = configure(run)
    assert run.recorder("--day", DAY).wait(600).status == 0
    broker.send(signal.SIGTERM)
    broker.wait()
    config = ("--config", str(run.configuration))
    sent = json.loads(run.command("backup", *config, "--json").output.splitlines()[-1])
    assert [day["day"] for day in sent["days"]] == [DAY]
    assert run.command("drill", *config).status == 0
    assert_true(run, run.audit().values())
    world = World(run.data, FolderTarget(run.folder / "elsewhere"))
    world.remove(".vtj")
    world.damage("09.parquet")
    failed = run.command("drill", *config)
    assert failed.status == 1
    assert all(f"  {reason}: " in failed.output for reason in ("object_missing", "object_corrupt"))
    assert run.command("backup", *config, "--day", DAY).status == 0
    assert run.command("drill", *config).status == 0
    assert run.command("restore", "--from", url, "--into", str(run.folder / "back")).status == 0
    for path in (run.folder / "back").rglob("*"):
        if path.is_file() and path.name != "control.db":
            home = run.folder if path.name == "calendar.toml" else run.data
            original = home / path.relative_to(run.folder / "back")
            assert digest(path.read_bytes()) == digest(original.read_bytes())
    audited = json.loads(run.command("audit", "--data", str(run.folder / "back"), "--json").output)
    assert_true(run, audited["lines"])
    DAMAGES["a trade altered"][0](world)
    altered = run.command("drill", *config)
    assert (altered.status, "  audit_differs: " in altered.output) == (1, True)


def test_the_recorder_backs_up_by_itself_and_stops_at_once(run: Run) -> None:
    """OB-751, OB-971: at its time, in the running process, the day's journal sealed; a signal ends it with 0."""
    broker = run.broker("--speed", "60", "--seconds", "120")
    configure(run, 'at = "09:14"\n')
    recorder = run.recorder()
    recorder.says(r'"event":"backup_made".*"days":1')
    recorder.send(signal.SIGTERM)
    assert recorder.wait(STOP_SECONDS).status == 0
    broker.send(signal.SIGTERM)
    drilled = run.command("drill", "--config", str(run.configuration), "--json")
    document = json.loads(drilled.output)
    assert (drilled.status, document["day"], document["lines"]) == (0, DAY, 3)
    journal = [path for path in (run.data / "journal").rglob("*.vtj") if path.parent.name == DAY]
    held = World(run.data, FolderTarget(run.folder / "elsewhere")).latest()[1].files
    assert {str(path.relative_to(run.data)) for path in journal} <= {entry.path for entry in held}
