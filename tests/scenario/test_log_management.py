"""Scenario 7 of the specification: window files of a running recorder, and what is deleted of them."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.recording_run import CODES, DAY, Run, a_run

MINUTES = 60
"""Length of the simulated session."""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with a_run(tmp_path) as one:
        yield one


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_an_hour_of_windows_and_only_what_is_backed_up_goes(run: Run) -> None:
    """OB-931, OB-721, OB-722, OB-732: scenario 7: names and contents over an hour; the retention deletes only what is verified."""
    broker = run.broker("--speed", "600", "--seconds", str(MINUTES * 60), "--fault", "drop=0.01")
    target = run.folder / "elsewhere"
    with run.configuration.open("a") as file:
        file.write(
            f'[export]\nswing = true\nscalp = true\n[backup]\ntargets = ["file://{target}"]\nat = "23:59"\n'
        )
    recorder = run.recorder("--day", DAY)
    assert recorder.wait().status == 0, recorder.output
    broker.send(signal.SIGTERM)
    broker.wait()
    export = run.data / "export"
    minutes = sorted(path.name for path in export.glob("scalp_*"))
    assert set(minutes) >= {f"scalp_{DAY}_09{minute:02}.jsonl" for minute in range(MINUTES)}
    assert {path.name for path in export.glob("system_*")} >= {
        f"system_{DAY}_0800.jsonl",
        f"system_{DAY}_0900.jsonl",
    }
    audited, recorded = run.audit(), [line for name in minutes for line in lines_of(export / name)]
    for code, happened in run.truth().items():
        mine = [line for line in recorded if line["code"] == code]
        kept = audited[code]["recorded"]
        assert (len(mine), sum(line["shares"] for line in mine)) == (kept["trades"], kept["shares"])
        true = {(trade["chain_shares"], trade["price"], trade["shares"]) for trade in happened}
        assert {(line["chain_shares"], line["price_krw"], line["shares"]) for line in mine} <= true
    swings = [line for path in sorted(export.glob("swing_*")) for line in lines_of(path)]
    assert {line["code"] for line in swings} >= set(CODES)
    rebuilt = run.command("export", "--data", str(run.data), "--day", DAY, "--json")
    assert (rebuilt.status, json.loads(rebuilt.output)["different"]) == (0, [])
    config = ("--config", str(run.configuration))
    assert not re.search("retention_deleted", recorder.output)
    done = json.loads(run.command("backup", *config, "--prune", "--json").output.splitlines()[-1])
    gone = {event["path"] for event in done["deleted"]}
    assert {f"export/{name}" for name in minutes} <= gone
    held = {
        entry["path"] for entry in json.loads((target / "manifests" / f"{DAY}-1.json").read_bytes())["files"]
    }
    assert gone <= held
    assert list(export.glob("scalp_*")) == []
    assert run.command("drill", *config).status == 0
