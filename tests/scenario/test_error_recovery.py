"""Scenario 9: everything that goes wrong in one session, and the ledger still closes."""

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.scenario.recording_run import DAY, Run, a_run, assert_recorded_what_was_sent, standing_still


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with a_run(tmp_path) as one:
        yield one


def finished(run: Run, *faults: str, seconds: int = 480) -> None:
    """Record a session with faults to its end."""
    options = [word for fault in faults for word in ("--fault", fault)]
    broker = run.broker("--speed", "60", "--seconds", str(seconds), *options)
    recorder = run.recorder("--day", DAY)
    assert recorder.wait().status == 0, recorder.output
    broker.send(signal.SIGTERM)
    assert broker.wait().status == 0


def test_a_session_full_of_faults_closes(run: Run) -> None:
    """OB-931, OB-1025: scenario 9: nothing acknowledged is lost, nothing doubled, every line closes on the truth.

    kill -9, frames that are lost, doubled, regrouped and cut, a reset, a close, silence, the wire changed in mid-session.
    """
    faults = (
        "drop=0.01", "duplicate=0.02", "reorder=0.02", "split=0.02", "merge=0.02", "truncate=0.005",
        "reset=09:02:00", "close=09:08:00", "silence=90@09:10:00-09:10:02",
    )  # fmt: skip
    options = [word for fault in faults for word in ("--fault", fault)]
    broker = run.broker("--speed", "60", "--seconds", "960", "--wire", "trade=46,trade=47@09:13:00", *options)
    recorder = run.recorder("--day", DAY)
    recorder.records_past(3)  # connected, so that the gap is the kill's
    recorder.runs_on_for(random.Random(9).uniform(0, 0.5))
    recorder.send(signal.SIGKILL)
    recorder.wait()
    with standing_still(broker):  # it is back before the close however long all of this takes
        kept = run.journalled()
        recorder = run.recorder_in_time(broker, "--day", DAY)
    assert recorder.wait().status == 0, recorder.output
    broker.send(signal.SIGTERM)
    assert broker.wait().status == 0
    assert kept <= run.journalled()
    assert_recorded_what_was_sent(run)
    causes = {gap["cause"] for line in run.audit().values() for gap in line["gaps"]}
    assert {"process_down", "frame_lost"} <= causes
    assert causes & {"ws_disconnect", "ws_silent"}


def test_an_appkey_in_use_elsewhere_is_waited_for(run: Run) -> None:
    """OB-451, OB-931: 8996 for a while; what was missed is not_watched or ws_disconnect, and the lines close."""
    finished(run, "opsp8996=90@09:00:00-09:00:30", "reset=09:01:00")
    assert_recorded_what_was_sent(run)
