"""Recorders of one code's bundled tape that may be killed: frames, group commits, seals, and a line for each acknowledgement.

One process imports everything and forks a recorder for each line on its standard input: ``data run first step pause``:
data directory, number of the run, first frame to send, storage step at which it kills itself and commit after which it
waits to be killed (0: never). It answers ``began <process id>``, ``durable <last frame>`` after each commit, ``ended
<status>``.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.tape import DAY, day_notes, frames

from veritape.kernel.clock import ManualClock
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.storage import Disk
from veritape.observer.journal import Kind

CODE = "990001"
UNTIL_MS = None if os.environ.get("VERITAPE_SOAK") else 32_400_000 + 1_800_000  # noqa: TID251 - the two sizes of one test
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


def say(text: str) -> None:
    """Tell the test; one call, so that nobody kills half a line."""
    os.write(1, text.encode() + b"\n")


async def record(data: Path, run: int, first: int, step: int, pause: int) -> None:
    """Record the tape from a frame on."""
    tape = frames((CODE,), until_ms=UNTIL_MS)
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
            say(f"durable {number}")
            pause -= 1
            if not pause:
                signal.pause()
        if number % (FRAMES_PER_COMMIT * COMMITS_PER_SEAL) == 0:
            recording.seal_due(DAY, 0, 0, all_hours=True)
            daybook.checkpoint(DAY)
    await daybook.flush()
    recording.seal_due(DAY, 0, 0, all_hours=True)
    await daybook.close()
    say(f"durable {len(tape) - 1}")


def main() -> None:
    """Fork a recorder for each line."""
    frames((CODE,), until_ms=UNTIL_MS)
    for line in sys.stdin:
        data, *numbers = line.split()
        child = os.fork()
        if not child:
            say(f"began {os.getpid()}")
            asyncio.run(record(Path(data), *map(int, numbers)))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        say(f"ended {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main()
