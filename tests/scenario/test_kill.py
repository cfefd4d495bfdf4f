"""A recorder that is killed again and again, and what its folder holds afterwards."""

import os
import random
import subprocess
import sys
from pathlib import Path

from tests.servers import killed_recorder
from tests.servers.killed_recorder import CODE
from tests.tape import DAY, bundled, frames

from veritape.observer.adapters.journal_files import journal_paths, read_journal
from veritape.observer.adapters.recording import Recording
from veritape.observer.completeness import Totals
from veritape.observer.journal import Kind, scan

ROOT = Path(__file__).resolve().parents[2]
MOMENTS = 20 if os.environ.get("VERITAPE_SOAK") else 10  # noqa: TID251 - the two sizes of one test
OVERLAP = 5
"""Frames before the last acknowledged one that the broker sends again after a restart: duplicates."""

Acknowledged = dict[tuple[int, int], bytes]


class Broker:
    """Runs the recorder, kills it, and remembers what it acknowledged."""

    def __init__(self, data: Path, seed: int) -> None:
        self.data, self.chance = data, random.Random(seed)
        self.tape = frames((CODE,))
        self.acknowledged: Acknowledged = {}
        self.run_number, self.next, self.kills = 0, 0, 0

    def run(self, *, kill: bool) -> None:
        """Run once; killed from outside after some acknowledgements, or from inside at a step of the storage."""
        self.run_number += 1
        first = max(0, self.next - OVERLAP)
        room = (len(self.tape) - first) // killed_recorder.FRAMES_PER_COMMIT // (MOMENTS + 1)
        limit = self.chance.randrange(room) if kill else len(self.tape)
        step = self.chance.randrange(1, 3 * room) if kill and self.run_number % 2 else 0
        command = [sys.executable, killed_recorder.__file__, self.data, self.run_number, first, step]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}  # noqa: TID251 - the child's path
        with subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.PIPE, env=environment
        ) as process:
            assert process.stdout is not None
            for lines, line in enumerate(process.stdout, 1):
                self._note(first, int(line))
                if lines > limit and not step:
                    process.kill()
                    break
            self.kills += process.wait() == -9

    def _note(self, first: int, last: int) -> None:
        for number in range(first, last + 1):
            self.acknowledged[self.run_number, number + 1] = self.tape[number].data
        self.next = last + 1


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


def test_a_recorder_killed_at_random_moments_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """OB-005, OB-508, OB-512, OB-854: after every kill each acknowledged frame is in the journal once; at the end each trade once."""
    broker = Broker(tmp_path / "data", seed=7)
    for _ in range(MOMENTS):
        broker.run(kill=True)
        held = on_disk(broker.data)
        assert len(dict(held)) == len(held), "a frame is doubled"
        assert broker.acknowledged.items() <= dict(held).items(), "an acknowledged frame is missing"
    assert broker.kills == MOMENTS
    broker.run(kill=False)
    trades = bundled(CODE).trades
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
