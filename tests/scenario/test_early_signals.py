"""A recorder that is stopped in its first moments: while libraries load, while it opens what it needs, while it connects."""

import random
import re
import signal
import time
from functools import partial
from pathlib import Path

import pytest
from tests.children import answers_signals
from tests.scenario.recording_run import SOAK, STOP_SECONDS, a_run
from tests.waiting import waited

TRIES = 40 if SOAK else 5
"""Starts for each signal."""

FIRST_SECONDS = 2.0
"""Of a start on an idle machine: then it records."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_recorder_that_is_stopped_at_once_ends_with_0_and_everything_closed(
    tmp_path: Path, number: signal.Signals
) -> None:
    """OB-971: at any moment since it answers signals: status 0, no traceback, nothing for the next start to mend, the account free."""
    chance = random.Random(int(number))
    with a_run(tmp_path) as run:
        run.broker("--speed", "1")
        began = time.monotonic()  # noqa: TID251 - how long a start takes here and now
        first = run.recorder()
        first.holds_the_account(run.data)
        seconds = max(FIRST_SECONDS, 2 * (time.monotonic() - began))  # noqa: TID251 - as above
        first.send(number)
        ends = [first.wait(STOP_SECONDS)]
        for _ in range(TRIES):
            recorder = run.recorder()
            waited(partial(answers_signals, recorder.number))
            recorder.runs_on_for(chance.uniform(0, seconds))
            recorder.send(number)
            ends.append(recorder.wait(STOP_SECONDS))
    assert [(end.status, end.output) for end in ends if end.status or "Traceback" in end.output] == []
    assert not [end.output for end in ends if re.search("recovered|Exception|Error", end.output)]
