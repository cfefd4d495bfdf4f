"""Two processes of one account at one broker: its own count of arrivals."""

import asyncio
import os
import random
import sys
from pathlib import Path

from tests.scenario.recording_run import SOAK

from veritape.kernel.clock import NANOSECONDS, SystemClock

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tests" / "servers" / "paced_client.py"
PERMITS = 18
REQUESTS = 200 if SOAK else 12
"""Of each of three components in each of the processes."""


async def test_two_processes_together_stay_inside_the_window(tmp_path: Path) -> None:
    """OB-1016, OB-251, OB-256: six components in two processes, one of which is killed: never more than 18 arrivals in a second."""
    clock, chance = SystemClock(), random.Random(11)
    arrivals: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        arrivals.append(clock.monotonic_ns())
        await asyncio.sleep(chance.choice((0.0, 0.01, 0.2)))
        writer.write(b"!\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=200)
    port = server.sockets[0].getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}  # noqa: TID251 - the children's path
    words = [sys.executable, PROGRAM, tmp_path / "pacing-abc.permits", port]
    processes = [
        await asyncio.create_subprocess_exec(*map(str, [*words, requests, dies]), env=environment)
        for requests, dies in ((REQUESTS, 0), (REQUESTS, 0), (REQUESTS, 1))
    ]
    async with asyncio.timeout(250):
        statuses = [await process.wait() for process in processes]
    server.close()
    assert statuses == [0, 0, -9]
    assert len(arrivals) >= 6 * REQUESTS
    arrivals.sort()
    seconds = [later - earlier for earlier, later in zip(arrivals, arrivals[PERMITS:], strict=False)]
    assert min(seconds) >= NANOSECONDS, min(seconds)
