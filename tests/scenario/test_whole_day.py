"""A whole day through everything that a recording passes: record, audit, backup, drill, restore."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.scenario.recording_run import CODES, DAY, SOAK, Run, a_run, assert_recorded_what_was_sent, totals

SPEED = "60" if SOAK else "max"
"""The specification's sixty, seven minutes, or as fast as the tape is read."""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with a_run(tmp_path) as one:
        yield one


@pytest.mark.timeout(1200)
def test_a_day_is_recorded_audited_backed_up_and_drilled(run: Run) -> None:
    """OB-1029, OB-764: at each stage every figure equals the truth file: trades, shares and value of every line."""
    broker = run.broker("--speed", SPEED)
    recorder = run.recorder("--day", DAY)
    assert recorder.wait(900).status == 0, recorder.output
    broker.send(signal.SIGTERM)
    assert broker.wait().status == 0
    truth, lines = run.truth(), run.audit()
    assert {code: lines[code]["recorded"] for code in CODES} == {code: totals(truth[code]) for code in CODES}
    assert {line["status"] for line in lines.values()} == {"complete"}
    assert_recorded_what_was_sent(run)

    target = f"file://{run.folder}/elsewhere"
    made = run.command("backup", "--data", str(run.data), "--to", target, "--day", DAY, "--json")
    assert made.status == 0, made.output
    drilled = run.command("drill", "--from", target, "--data", str(run.data), "--day", DAY, "--json")
    document = json.loads(drilled.output.splitlines()[-1])
    assert (drilled.status, document["lines"], document["differences"]) == (0, 3, []), drilled.output

    restored = run.folder / "restored"
    assert run.command("restore", "--from", target, "--into", str(restored)).status == 0
    audited = run.command("audit", "--data", str(restored), "--day", DAY, "--json")
    for line in json.loads(audited.output)["lines"]:
        assert line["recorded"] == totals(truth[line["code"]])
