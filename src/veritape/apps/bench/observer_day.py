"""A whole day: memory over it (OB-1041)."""

import asyncio
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from veritape.apps.bench.observer_tape import DAY, folder, frames, texts
from veritape.apps.bench.results import Row, Size
from veritape.kernel.clock import SystemClock
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.recording import Recording
from veritape.observer.journal import Kind
from veritape.observer.notes import NoteKind

MEBIBYTE = 1 << 20
"""Bytes."""

HOURS = 7
"""Parts of the day after which everything is sealed."""


def day(_: Size) -> Iterator[Row]:
    """Measure a recorded day in a process of its own."""
    with folder() as place:
        command = [sys.executable, "-m", "veritape.apps.bench.observer_day", str(place / "data")]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - ours
        growth = int(answer.stdout.split()[-1]) / MEBIBYTE
        yield Row("memory_growth_over_a_tape_day", [growth], "MiB", "lower", 8, 0)


async def record(data: Path) -> int:
    """Record the day at full speed, sealed seven times; return by how many bytes memory rose after its first part.

    A minute of a day that is played at 60x is an hour, one of these parts.
    """
    recording = Recording(data)
    daybook = Daybook(
        recording, JournalOptions(recording.journal_folder, reserve_bytes=0), SystemClock(), lambda _: None
    )
    await daybook.loaded
    daybook.note(NoteKind.DAY, day=DAY, venue="KRX", open_s=32_400, close_s=55_800, codes={})
    whole, before = texts(), 0
    for number, text in enumerate(whole, 1):
        daybook.frame(Kind.TEXT, 1, number, text)
        if number % 100 == 0:
            await daybook.flush()
        if number % (len(whole) // HOURS) == 0:
            recording.seal_due(DAY, 0, 0, all_hours=True)
            daybook.checkpoint(DAY)
            before = before or _resident()
    daybook.note(NoteKind.CLOSED, day=DAY)
    await daybook.flush()
    recording.seal_due(DAY, 0, 0, all_hours=True)
    grown = _resident() - before
    await daybook.close()
    return grown


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    frames()
    print(asyncio.run(record(Path(sys.argv[1]))))  # noqa: T201 - what the measuring process reads
