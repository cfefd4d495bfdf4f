"""A recorder of one code's bundled tape that may be killed: frames, group commits, seals, and a line for each acknowledgement.

Arguments: data directory, number of this run, first frame to send, storage step at which it kills itself (0: never).
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.tape import DAY, day_notes, frames

from veritape.kernel.clock import ManualClock
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.journal_files import JournalOptions
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.storage import Disk
from veritape.observer.journal import Kind

CODE = "990001"
FRAMES_PER_COMMIT = 7
COMMITS_PER_SEAL = 12


class KillingDisk(Disk):
    """Ends the process at the n-th system call: half of a block written, or a block written and not synced."""

    def __init__(self, step: int) -> None:
        self._left = step

    def write(self, descriptor: int, data: bytes) -> None:
        if self._is_due():
            super().write(descriptor, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        if self._is_due():
            os.kill(os.getpid(), signal.SIGKILL)
        super().sync(descriptor)

    def _is_due(self) -> bool:
        self._left -= 1
        return self._left == 0


async def record(data: Path, run: int, first: int, step: int) -> None:
    tape = frames((CODE,))
    recording = Recording(data)
    clock = ManualClock(wall_ns=tape[0].received_ns)
    options = JournalOptions(recording.journal_folder, commit_ms=1, roll_bytes=60_000, reserve_bytes=0)
    daybook = Daybook(recording, options, clock, lambda applied: None, KillingDisk(step))
    if run == 1:
        for sequence, one in enumerate(day_notes((CODE,)), 1):
            daybook.frame(one.kind, 0, sequence, one.data)
    for number in range(first, len(tape)):
        clock.step_wall_ns(tape[number].received_ns - clock.wall_ns())
        daybook.frame(Kind.TEXT, run, number + 1, tape[number].data)
        if number % FRAMES_PER_COMMIT == 0:
            await daybook.flush()
            os.write(1, b"%d\n" % number)
        if number % (FRAMES_PER_COMMIT * COMMITS_PER_SEAL) == 0:
            recording.seal_due(DAY, 0, 0, all_hours=True)
    await daybook.flush()
    recording.seal_due(DAY, 0, 0, all_hours=True)
    await daybook.close()
    os.write(1, b"%d\n" % (len(tape) - 1))


if __name__ == "__main__":
    asyncio.run(record(Path(sys.argv[1]), *map(int, sys.argv[2:5])))
