"""Scenario 9: everything that goes wrong in one session, and the ledger still closes."""

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.scenario.recording_run import CODES, DAY, Run, a_run, assert_recorded_what_was_sent, totals


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with a_run(tmp_path) as one:
        yield one


def finished(run: Run, *faults: str, seconds: int = 480, waits: bool = True) -> None:
    """Record a session with faults to its end."""
    options = [word for fault in faults for word in ("--fault", fault)]
    broker = run.broker("--speed", "60", "--seconds", str(seconds), *options, waits=waits)
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
        "reset=09:02:00", "close=09:04:00", "silence=90@09:05:00-09:05:02",
    )  # fmt: skip
    options = [word for fault in faults for word in ("--fault", fault)]
    broker = run.broker("--speed", "60", "--seconds", "600", "--wire", "trade=46,trade=47@09:07:00", *options)
    recorder = run.recorder("--day", DAY)
    recorder.says("09:03.* of 41 slots")
    recorder.runs_on_for(random.Random(9).uniform(0, 0.5))
    recorder.send(signal.SIGKILL)
    recorder.wait()
    kept = run.journalled()
    recorder = run.recorder("--day", DAY)
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


def test_a_limit_below_the_wish_is_learned(run: Run) -> None:
    """OB-342, OB-931: OPSP0008 at the third registration: two lines are recorded, the third says why it is not."""
    finished(run, "limit=2", seconds=240, waits=False)
    lines = run.audit()
    truth = run.truth()
    complete = [code for code in CODES if lines[code]["recorded"] == totals(truth[code])]
    [refused] = set(CODES) - set(complete)
    assert len(complete) == 2
    assert lines[refused]["recorded"]["trades"] == 0
    assert {gap["cause"] for gap in lines[refused]["gaps"]} <= {"not_watched", "subscription_refused"}
