"""A recorder that is killed again and again, and what its folder holds afterwards."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers import killed_recorder
from tests.servers.killed_recorder import CODE, UNTIL_MS
from tests.tape import DAY, bundled, frames

from veritape.observer.adapters.journal_files import journal_paths, read_journal
from veritape.observer.adapters.recording import Recording
from veritape.observer.axis import Totals
from veritape.observer.journal import Kind, scan

pytestmark = pytest.mark.xdist_group("killed_recorders")
"""One worker has them all: they share what is dear to start."""

ROOT = Path(__file__).resolve().parents[2]
KILLS = 500 if os.environ.get("VERITAPE_SOAK") else 50  # noqa: TID251 - the two sizes of one test
TAPES = 10
"""Recordings over which the kills are spread: each is killed that often and then recorded to its end."""
MOST_COMMITS = 40
"""Commits after which a recorder is killed at the latest."""
HEAD_START = 5
"""Commits by which a recorder may run ahead of its killer: then it waits, so that the tape lasts on a busy machine."""
OVERLAP = 5
"""Frames before the last acknowledged one that the broker sends again after a restart: duplicates."""

Acknowledged = dict[tuple[int, int], bytes]


class Broker:
    """Runs the recorder, kills it, and remembers what it acknowledged."""

    def __init__(self, recorders: "subprocess.Popen[str]", data: Path, seed: int) -> None:
        self.recorders, self.data, self.chance = recorders, data, random.Random(seed)
        self.tape = frames((CODE,), until_ms=UNTIL_MS)
        self.acknowledged: Acknowledged = {}
        self.run_number, self.next, self.kills = 0, 0, 0

    def run(self, moments: int = 0) -> None:
        """Run once; with ``moments``, killed from outside after some acknowledgements or at a step of the storage.

        The kills are placed so that ``moments`` more find room on the tape.
        """
        self.run_number += 1
        first = max(0, self.next - OVERLAP)
        room = (
            (len(self.tape) - first) // killed_recorder.FRAMES_PER_COMMIT // (moments + 1) if moments else 0
        )
        limit = self.chance.randrange(min(room, MOST_COMMITS)) if moments else len(self.tape)
        step = self.chance.randrange(1, 3 * min(room, MOST_COMMITS)) if moments and self.run_number % 2 else 0
        assert self.recorders.stdin is not None
        assert self.recorders.stdout is not None
        pause = limit + HEAD_START if moments and not step else 0
        self.recorders.stdin.write(f"{self.data} {self.run_number} {first} {step} {pause}\n")
        self.recorders.stdin.flush()
        process, lines = 0, 0
        for word, number in (line.split() for line in self.recorders.stdout):
            if word == "ended":
                self.kills += int(number) == -signal.SIGKILL
                assert int(number) in {0, -signal.SIGKILL}
                return
            if word == "began":
                process = int(number)
                continue
            self._note(first, int(number))
            lines += 1
            if lines == limit + 1 and not step:
                os.kill(process, signal.SIGKILL)

    def _note(self, first: int, last: int) -> None:
        for number in range(first, last + 1):
            self.acknowledged[self.run_number, number + 1] = self.tape[number].data
        self.next = last + 1


@pytest.fixture(scope="module")
def recorders() -> Iterator["subprocess.Popen[str]"]:
    """Start the process that forks recorders."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}  # noqa: TID251 - the child's path
    command = [sys.executable, killed_recorder.__file__]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def on_disk(data: Path) -> list[tuple[tuple[int, int], bytes]]:
    return [
        ((one.connection, one.sequence), one.data)
        for _, _, one in read_journal(data / "journal" / "KRX")
        if one.kind is Kind.TEXT
    ]


def sealed_rows(recording: Recording) -> list[int]:
    rows: list[int] = []
    for seal, table in recording.segments.trades(DAY, CODE):
        recording.segments.tape(seal, CODE)
        rows += table["chain_shares"].to_pylist()
    return rows


@pytest.mark.parametrize("tape", range(TAPES))
def test_a_recorder_killed_at_random_moments_loses_and_doubles_nothing(
    recorders: "subprocess.Popen[str]", tape: int, tmp_path: Path
) -> None:
    """OB-1014, OB-005, OB-508, OB-512, OB-854: after every kill each acknowledged frame is in the journal once; in the end each trade once."""
    broker = Broker(recorders, tmp_path / "data", seed=tape)
    for left in range(KILLS // TAPES, 0, -1):
        broker.run(left)
        held = on_disk(broker.data)
        assert len(dict(held)) == len(held), "a frame is doubled"
        assert broker.acknowledged.items() <= dict(held).items(), "an acknowledged frame is missing"
    assert broker.kills == KILLS // TAPES
    if tape:
        return
    broker.run()
    trades = bundled(CODE).until(UNTIL_MS).trades
    recording = Recording(broker.data)
    recording.load()
    line = recording.recorder.days[DAY].lines[CODE]
    assert line.recorded == Totals(
        len(trades), sum(t.shares for t in trades), sum(t.price * t.shares for t in trades)
    )
    assert (line.axis.holes(), line.problems) == ([], {})
    assert line.duplicates > 0
    assert sorted(sealed_rows(recording)) == [one.chain_shares for one in trades]
    assert recording.recorder.days[DAY].rows == {}
    assert all(scan(path.read_bytes()).sealed for path in journal_paths(recording.journal_folder))
