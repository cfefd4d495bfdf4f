"""Processes that get no processor: what is slow stays right."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.scenario.recording_run import (
    CODES,
    DAY,
    Run,
    a_run,
    assert_recorded_what_was_sent,
    standing_still,
    totals,
)

STOOD_STILL_SECONDS = 2.5
"""150 seconds of tape at 60: more than a silence, a heartbeat's answer or a sweep may take."""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with a_run(tmp_path) as one:
        yield one


@pytest.mark.parametrize("who", ["recorder", "broker"])
def test_a_process_that_stands_still_for_seconds_loses_nothing(run: Run, who: str) -> None:
    """OB-452, OB-606, OB-642, OB-810: neither side's standstill ends the connection, misses a sweep or opens a gap; late anchors agree."""
    broker = run.broker("--speed", "60", "--seconds", "300")
    recorder = run.recorder("--day", DAY)
    slow = recorder if who == "recorder" else broker
    for minute in (1, 3, 5):
        recorder.records_past(minute)
        with standing_still(slow):
            time.sleep(STOOD_STILL_SECONDS)
    assert recorder.wait().status == 0, recorder.output
    broker.send(signal.SIGTERM)
    broker.wait()
    assert_complete(run)
    assert "connection_lost" not in recorder.output
    assert "ws_silent" not in recorder.output


def test_sweeps_and_lines_are_whole_when_the_tape_runs_as_fast_as_it_is_read(run: Run) -> None:
    """OB-201, OB-205, OB-208, OB-642: --speed max, the recorder standing still now and then: every cycle of the grid, each code, no gap, no alarm."""
    broker = run.broker("--speed", "max", "--seconds", "9000")
    recorder = run.recorder("--day", DAY)
    recorder.says("connected")
    for _ in range(6):
        with standing_still(recorder):
            time.sleep(0.4)
        time.sleep(0.1)
    assert recorder.wait().status == 0, recorder.output
    broker.send(signal.SIGTERM)
    broker.wait()
    sweeps = assert_complete(run)
    assert sweeps == {"cycles": 16, "expected": 48, "received": 48, "missing": 0}
    assert not [
        line for line in recorder.output.splitlines() if '"level":"warning"' in line and "silent" in line
    ]


def assert_complete(run: Run) -> dict[str, int]:
    """Check that every line is complete and nothing is called a gap or an anomaly; return the sweeps' figures."""
    assert_recorded_what_was_sent(run)
    truth, document = run.truth(), run.audit_document()
    for line in document["lines"]:
        assert (line["code"] in CODES, line["status"], line["gaps"]) == (True, "complete", [])
        assert line["recorded"] == totals(truth[line["code"]])
    assert (document["gaps"], document["anomalies"]) == ([], [])
    figures: dict[str, int] = document["sweeps"]
    return figures
