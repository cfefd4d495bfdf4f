"""Rows of the live path: from the socket to the disk, by the recorder's own stream, daybook and journal (OB-1031 to 1033)."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiohttp
import numpy as np
import numpy.typing as npt

from veritape.apps.bench.observer_tape import folder
from veritape.apps.bench.results import Row, Size
from veritape.apps.recording_loop import run_recorder
from veritape.kernel.clock import NANOSECONDS, SystemClock
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.journal_writer import Committed
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.stream import Stream
from veritape.observer.journal import Kind

LATENCY_RATES = {5_000: (20, 8), 20_000: (50, 20)}
"""Messages a second -> target and goal of the 99th percentile, milliseconds."""

MILLISECOND = 1_000_000
"""Nanoseconds in a millisecond."""

PERCENTILES = {"p50": 50, "p99": 99, "p999": 99.9}
"""Printed percentiles."""

QUIET_SECONDS = 1.0
"""Time after the source's end in which what is on its way arrives."""

SILENCE_SECONDS = 300
"""The source never falls silent."""

Times = npt.NDArray[np.int64]
"""Monotonic nanoseconds, one a frame."""


class Received(NamedTuple):
    """What one run received."""

    began_ns: int
    """When the source began."""
    times: Times
    """When each frame was durable, or read."""


def live(size: Size) -> Iterator[Row]:
    """Measure throughput, then latency at two rates, each beside a loop that only reads."""
    ours, bare = run_recorder(_record(0, size.seconds)), run_recorder(_read(0, size.seconds / 2))
    yield Row(
        "durable_messages_per_second", [_rate(ours)], target=20_000, goal=60_000,
        peer="bare aiohttp loop", peer_values=[_rate(bare)],
    )  # fmt: skip
    for rate, (target, goal) in LATENCY_RATES.items():
        ours, bare = (
            run_recorder(_record(rate, size.seconds / 2)),
            run_recorder(_read(rate, size.seconds / 4)),
        )
        for name, percent in PERCENTILES.items():
            values, peers = _percentile(ours, rate, percent), _percentile(bare, rate, percent)
            is_target = name == "p99"
            yield Row(
                f"socket_to_disk_{name} at {rate}/s", [values], "ms", "lower", target if is_target else None,
                goal if is_target else None, "bare aiohttp loop", [peers],
            )  # fmt: skip


def _rate(received: Received) -> float:
    seconds = (received.times[-1] - received.began_ns) / NANOSECONDS
    return len(received.times) / float(seconds)


def _percentile(received: Received, rate: int, percent: float) -> float:
    due = received.began_ns + np.arange(1, len(received.times) + 1) * NANOSECONDS // rate
    return float(np.percentile(received.times - due, percent)) / MILLISECOND


class _Rest(BrokerRest):
    """An account that has a key and asks nobody."""

    def __init__(self) -> None:
        self.asked = 0

    async def approval_key(self) -> str:
        self.asked += 1
        return "key"


async def _record(rate: int, seconds: float) -> Received:
    """Record what the source sends until it ends."""
    with folder() as place:
        recording = Recording(place)
        clock = SystemClock()
        daybook = Daybook(recording, JournalOptions(recording.journal_folder), clock, lambda _: None)
        groups: list[tuple[int, int]] = []

        def committed(group: Committed) -> None:
            groups.append((group.durable_ns, sum(frame.kind is Kind.TEXT for frame in group.frames)))

        daybook.committed = committed
        await daybook.loaded
        async with _source(rate, seconds) as (url, began):
            stream = Stream(url, _Rest(), daybook, clock, 1, SILENCE_SECONDS)
            running = asyncio.create_task(stream.run(["990001"]))
            began_ns = await began
            await asyncio.sleep(seconds + QUIET_SECONDS)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        await daybook.flush()
        await daybook.close()
        stamps, counts = zip(*groups, strict=True)
        return Received(began_ns, np.repeat(np.array(stamps, np.int64), counts))


async def _read(rate: int, seconds: float) -> Received:
    """Read what the source sends and do nothing with it."""
    clock, times = SystemClock(), []
    async with (
        _source(rate, seconds) as (url, began),
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{url}/tryitout", autoping=True, heartbeat=None, compress=0) as socket,
    ):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds + QUIET_SECONDS):
                while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                    times.append(clock.monotonic_ns())
        return Received(await began, np.array(times, np.int64))


@asynccontextmanager
async def _source(rate: int, seconds: float) -> AsyncIterator[tuple[str, "asyncio.Future[int]"]]:
    """Run the source; yield its address and when it began to send."""
    command = [sys.executable, "-m", "veritape.apps.bench.websocket_source", str(rate), str(seconds)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    if process.stdout is None:
        raise AssertionError("a pipe was asked for")
    port = int(await process.stdout.readline())
    began = asyncio.create_task(_number(process.stdout))
    try:
        yield f"ws://127.0.0.1:{port}", began
    finally:
        began.cancel()
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _number(reader: asyncio.StreamReader) -> int:
    return int(await reader.readline())
