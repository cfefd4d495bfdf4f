"""The worked day through everything that a recording passes: record, audit, backup, drill, restore."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.scenario.recording_run import DAY, SOAK, Run, a_run, assert_recorded_what_was_sent

SPEED = "60" if SOAK else "max"
"""The specification's sixty, seven minutes, or as fast as the tape is read."""


FIGURES = {
    "990001": (
        (24_111, 3_908_167, 7_132_736_980_500),
        (23_913, 3_872_370),
        113,
        (198, 35_797, 65_320_248_700),
    ),
    "990002": (
        (25_265, 5_243_399, 2_565_381_036_300),
        (25_062, 5_204_222),
        84,
        (203, 39_177, 19_176_495_900),
    ),
    "990003": (
        (86_467, 62_342_503, 8_641_378_158_500),
        (85_650, 61_801_530),
        315,
        (817, 540_973, 74_992_924_500),
    ),
}
"""The worked day: code -> end, recorded, holes, residual."""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with a_run(tmp_path) as one:
        yield one


@pytest.mark.timeout(1200)
def test_the_worked_day_is_recorded_audited_backed_up_and_drilled(run: Run) -> None:
    """OB-608, OB-606, OB-931, OB-1029, OB-764: scenario 6: the whole day with drop = 0.01 and seed 7: each figure as in the table; at each later stage the same ones."""
    broker = run.broker("--speed", SPEED, "--fault", "drop=0.01", "--seed", "7")
    recorder = run.recorder("--day", DAY)
    assert recorder.wait(900).status == 0, recorder.output
    broker.send(signal.SIGTERM)
    assert broker.wait().status == 0
    lines = run.audit()
    for code, (end, recorded, holes, residual) in FIGURES.items():
        line = lines[code]
        anchor = line["anchor"]
        assert (anchor["trades"], anchor["shares"], anchor["value_krw"]) == end
        assert (line["recorded"]["trades"], line["recorded"]["shares"]) == recorded
        assert tuple(line["residual"][key] for key in ("trades", "shares", "value_krw")) == residual
        assert (len(line["gaps"]), line["trades_exact"], line["status"]) == (holes, True, "residual")
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
    assert {line["code"]: line for line in json.loads(audited.output)["lines"]} == lines
