"""A recorder that runs for days: what a day needed is let go when it is over."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from tests.scenario.recording_run import DAY, SOAK, Process, Run, a_run

from veritape.observer.adapters.spare_memory import ARENAS

DAYS = 9 if SOAK else 3
"""Sessions: whole ones at sixty times their speed take an hour, the short ones seconds."""

TAPE = ("--speed", "60") if SOAK else ("--speed", "120", "--seconds", "120")
WARM = 1
"""Sessions after which everything that is loaded once has been."""

HEAP_BYTES = 64 << 20
"""Addresses that glibc keeps for the heap of a thread."""

GROWTH_MIB = 8.0
"""Most that a recorder may grow by after its warm-up: the target of the benchmark's tape day (OB-1041)."""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with a_run(tmp_path) as one:
        yield one


def resident_mib(process: Process) -> float:
    """Return the memory that a process holds now."""
    status = Path(f"/proc/{process.number}/status").read_text().splitlines()
    (line,) = (line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def session_days(count: int) -> list[str]:
    """Return the first business dates of the tape: from a Monday on, no holiday within two weeks."""
    first = date(int(DAY[:4]), int(DAY[4:6]), int(DAY[6:]))
    days = (first + timedelta(days=number) for number in range(2 * count))
    return [f"{day:%Y%m%d}" for day in days if day.weekday() < 5][:count]


def heaps_of_threads(process: Process) -> int:
    """Return the malloc heaps beside the main one: 64 MiB of addresses each, of which a first part is in use."""
    maps = [line.split() for line in Path(f"/proc/{process.number}/maps").read_text().splitlines()]
    unnamed = [
        (*(int(end, 16) for end in one[0].split("-")), one[1] == "---p") for one in maps if len(one) == 5
    ]
    return sum(
        begin % HEAP_BYTES == 0 and middle == behind and end - begin == HEAP_BYTES and is_rest > is_used
        for (begin, middle, is_used), (behind, end, is_rest) in pairwise(unnamed)
    )


@pytest.mark.timeout(7_200)
def test_memory_stays_flat_day_after_day(run: Run) -> None:
    """OB-1041: after the first session's end it does not grow from one to the next: an hour of 60x in the long size.

    Its threads share a heap: each of its own would keep a peak of its own.
    """
    run.truth_file = run.folder / "truth-{day}.jsonl"
    run.broker(*TAPE, "--next-days")
    recorder, held = run.recorder(), []
    for day in session_days(DAYS):
        recorder.says(f"day {day} is over: every line closes", seconds=900)
        held.append(resident_mib(recorder))
    assert max(held[WARM:]) - held[WARM - 1] < GROWTH_MIB, held
    assert heaps_of_threads(recorder) < ARENAS
