"""Processes of one account at one broker: what the broker itself counts."""

import asyncio
import os
import random
import sys
from pathlib import Path

from tests.broker import broker
from tests.scenario.recording_run import SOAK
from tests.waiting import PATIENCE_S

from veritape.kernel.clock import NANOSECONDS, SystemClock
from veritape.replay.accounts import APPKEY, APPSECRET

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "tests" / "servers"
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}  # noqa: TID251 - the children's path
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
    words = [sys.executable, PROGRAMS / "paced_client.py", tmp_path / "pacing-abc.permits", port]
    processes = [
        await asyncio.create_subprocess_exec(*map(str, [*words, requests, dies]), env=ENVIRONMENT)
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


async def test_processes_that_start_together_cause_one_issue(tmp_path: Path) -> None:
    """OB-1019, OB-404: ten callers in each of three processes without a stored token: one issue, the same token for all."""
    async with broker() as one, asyncio.timeout(PATIENCE_S):
        rest_url = f"http://127.0.0.1:{one.server.rest_port}"
        words = [sys.executable, PROGRAMS / "token_client.py", tmp_path, rest_url, APPKEY, APPSECRET]
        processes = [
            await asyncio.create_subprocess_exec(
                *map(str, words), env=ENVIRONMENT, stdout=asyncio.subprocess.PIPE
            )
            for _ in range(3)
        ]
        outputs = [(await process.communicate())[0].splitlines()[-1] for process in processes]
        assert one.account.report.tokens == 1
        assert len(set(outputs)) == 1
        assert len(outputs[0].split()) == 1
