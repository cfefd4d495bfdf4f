"""Eight workers that lease from one real Redis, killed at random."""

import os
import random
from collections import Counter
from functools import partial
from pathlib import Path

from tests.servers.lease_processes import BURST, CALLERS, LEASE_UNITS, spend
from tests.servers.redis_process import redis_process
from tests.servers.usage_processes import started
from tests.waiting import waited

KILLS = 100 if os.environ.get("VERITAPE_SOAK") == "1" else 20  # noqa: TID251 - the two sizes of one test
PROCESSES = 8


def test_killed_workers_with_leases_admit_the_budget_and_no_more(tmp_path: Path) -> None:
    """GW-963, GW-302, GW-310: 8 processes, kill -9 at random: never above the burst; what is missing is at most a lease for each kill."""
    chance, notes = random.Random(963), tmp_path / "notes"
    notes.touch()
    with redis_process(tmp_path) as server:
        workers = [started(spend, server.url, notes) for _ in range(PROCESSES)]
        for _ in range(KILLS):
            enough = notes.stat().st_size + chance.randint(5, 100)
            waited(partial(_decided, notes, enough), notes.read_text)
            number = chance.randrange(PROCESSES)
            workers[number].kill()
            workers[number].join()
            workers[number] = started(spend, server.url, notes)
        waited(lambda: notes.read_text().count("-") > 100 * PROCESSES, notes.read_text)
        for worker in workers:
            worker.kill()
            worker.join()
    told = Counter(notes.read_text())
    admitted = told["c"] + told["l"]
    assert told["!"] == 0
    assert told["l"] > 0
    assert BURST - KILLS * (LEASE_UNITS + CALLERS) <= admitted <= BURST


def _decided(notes: Path, enough: int) -> bool:
    """Tell whether so many decisions were noted."""
    return notes.stat().st_size >= enough
