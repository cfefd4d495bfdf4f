"""A recorder over the end of a month on a host whose own zone is not Seoul's (OB-004, OB-012).

Nothing of a day is told by the host's calendar: not its name, not its begin, not a time of day in a file.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.recorded_day import record_day
from tests.scenario.recording_run import Run, a_run

THURSDAY, FRIDAY = "20131031", "20131101"
"""The last session of October 2013 and the first of November."""

NIGHT = "20131104"
"""In New York its session begins on the evening of the Sunday on which summer time ended."""

ZONES = ("Asia/Seoul", "UTC", "America/New_York", "Australia/Lord_Howe", "Pacific/Kiritimati")
"""Without summer time, with, with half an hour of it, a day ahead of the first."""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with a_run(tmp_path) as one:
        yield one


def test_a_recorder_goes_on_over_the_end_of_a_month(run: Run) -> None:
    """OB-004, OB-012, OB-606: the virtual clock passes midnight and the month; each day has files of its own and equals its truth."""
    run.truth_file = run.folder / "truth-{day}.jsonl"
    run.broker("--day", THURSDAY, "--speed", "120", "--seconds", "60", "--next-days")
    recorder, lines = run.recorder(TZ="America/New_York"), dict[str, list[dict[str, Any]]]()
    for day in (THURSDAY, FRIDAY):
        recorder.says(f"day {day} is over: every line closes", seconds=600)
        ended = run.command("audit", "--data", str(run.data), "--day", day, "--json")
        lines[day] = json.loads(ended.output)["lines"]
        assert (ended.status, len(lines[day])) == (0, 3)
        assert {path.name for path in (run.data / "trades" / "venue=KRX").iterdir()} >= {f"day={day}"}
    summary = json.loads((run.folder / f"truth-{THURSDAY}.jsonl").read_text().splitlines()[-1])["codes"]
    assert {line["code"]: line["recorded"]["trades"] for line in lines[THURSDAY]} == {
        code: one["trades"] for code, one in summary.items()
    }
    assert sorted(path.name for path in (run.data / "journal" / "KRX").glob("????????")) == [THURSDAY, FRIDAY]


def test_what_is_said_of_a_day_does_not_depend_on_the_host_s_zone(run: Run) -> None:
    """OB-004, OB-557: audit, picture and window files are the same bytes wherever the machine stands."""
    record_day(run.data, NIGHT)
    said = set()
    for number, zone in enumerate(ZONES):
        folder = run.folder / str(number)
        folder.mkdir()
        picture = ("--picture", str(folder / "day.svg"))
        audit = run.start("audit", "--data", str(run.data), *picture, "--json", environment={"TZ": zone})
        document = json.loads(audit.wait().output) | {"generated_ns": 0}
        export = ("export", "--data", str(run.data), "--day", NIGHT, "--into", str(folder / "windows"))
        assert run.start(*export, environment={"TZ": zone}).wait().status == 0
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        assert len(files) > 2
        content = [(str(path.relative_to(folder)), path.read_bytes()) for path in files]
        said.add(json.dumps([document, str(content)], sort_keys=True))
    assert len(said) == 1
