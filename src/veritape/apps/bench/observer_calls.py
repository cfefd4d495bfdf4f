"""Rows of calls: a sweep under the account's permits, a bounded pool, group commit (OB-1034, OB-1043 of OB-941)."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from veritape.apps.bench.observer_tape import DAY, folder, frames
from veritape.apps.bench.results import Row, Size
from veritape.apps.broker_account import open_broker
from veritape.apps.recording_loop import run_recorder
from veritape.kernel.clock import NANOSECONDS, SystemClock
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.journal_writer import Committed, JournalWriter
from veritape.observer.adapters.sweeper import Sweeper
from veritape.observer.quotes import QUOTE_FIELDS
from veritape.observer.settings import RecordSettings
from veritape.observer.track_a import Cycle, CycleKind
from veritape.wire.kis.rest import MULTI_PRICE, REQUESTS_PER_SECOND, TOKEN_PATH

SYMBOLS = 2_000
"""Of a sweep."""

ROUND_TRIP_SECONDS = 0.02
"""What the fake broker takes to answer."""

ARITHMETIC_SECONDS = 3 * (1 + ROUND_TRIP_SECONDS) + 12 / 18 + ROUND_TRIP_SECONDS
"""The 67 calls at 18 permits (OB-203)."""

SINGLE_SECONDS = SYMBOLS / REQUESTS_PER_SECOND * (1 + ROUND_TRIP_SECONDS)
"""One symbol a call."""

POOL, TASKS, TASK_SECONDS = 10, 100, 0.01
"""Workers, pieces of work and seconds of each, as the source measured its pool."""

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
"""What a piece of the pool's work brings."""

TOGETHER, ALONE = 20_000, 200
"""Frames that are written as they come, and one by one."""


class FakeBroker:
    """Answers token and multi-price calls after a while, and remembers when each arrived."""

    def __init__(self) -> None:
        self.arrivals: list[int] = []
        """Monotonic nanoseconds of each quotation call."""
        self.url = ""

    async def token(self, _request: web.Request) -> web.Response:
        """Issue a token of a day."""
        until = time.strftime(
            "%Y-%m-%d %H:%M:%S", time.gmtime(SystemClock().wall_ns() // NANOSECONDS + 33 * 3600)
        )
        return web.json_response(
            {"access_token": "t", "token_type": "Bearer", "expires_in": 86_400, "access_token_token_expired": until}
        )  # fmt: skip

    async def prices(self, request: web.Request) -> web.Response:
        """Answer with a price for each code."""
        self.arrivals.append(SystemClock().monotonic_ns())
        await asyncio.sleep(ROUND_TRIP_SECONDS)
        codes = [code for name, code in request.query.items() if name.startswith("FID_INPUT_ISCD_")]
        rows = [dict.fromkeys(QUOTE_FIELDS, "1000") | {"inter_shrn_iscd": code} for code in codes]
        return web.json_response({"rt_cd": "0", "msg_cd": "MCA00000", "msg1": "", "output": rows})


class PlainServer:
    """Answers any request after a while, and does next to nothing else: a pool is measured, not a web server."""

    def __init__(self) -> None:
        self.in_flight = self.most = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                self.in_flight += 1
                self.most = max(self.most, self.in_flight)
                await asyncio.sleep(TASK_SECONDS)
                self.in_flight -= 1
                writer.write(ANSWER)


def calls(size: Size) -> Iterator[Row]:
    """Measure sweeps, the pool and group commit, in the loop that a recorder runs in."""
    with folder() as place:
        yield from run_recorder(_sweep(place))
        yield run_recorder(_pool(size))
        yield from run_recorder(_group_commit(place))


async def _sweep(place: Path) -> list[Row]:
    async with _broker() as broker, _account(place, broker.url) as rest:
        clock = SystemClock()
        await rest.token()
        await asyncio.sleep(1)
        sweeper = Sweeper(rest, clock, place, "KRX", "")
        codes = tuple(f"{number:06}" for number in range(SYMBOLS))
        cycle = Cycle(0, CycleKind.GRID, clock.wall_ns(), codes)
        began_ns = clock.monotonic_ns()
        manifest = await sweeper.sweep(cycle, DAY, 32_400, 60)
        seconds = (clock.monotonic_ns() - began_ns) / NANOSECONDS
    if manifest["received"] != SYMBOLS:
        raise AssertionError(f"a sweep of {SYMBOLS} symbols brought {manifest['received']}")
    over = _windows_over(broker.arrivals, REQUESTS_PER_SECOND)
    return [
        Row(
            "sweep_2000_symbols", [seconds], "s", "lower", 5, 3.8,
            f"arithmetic limit {ARITHMETIC_SECONDS:.2f} s; one symbol a call {SINGLE_SECONDS:.0f} s", [ARITHMETIC_SECONDS],
        ),
        Row("permits_windows_above_n", [over], "windows", "lower", 0),
        Row("permits_used_by_a_sweep", [ARITHMETIC_SECONDS / seconds], "of the limit", "higher", 0.95),
    ]  # fmt: skip


def _windows_over(arrivals: list[int], limit: int) -> int:
    """Return how many half-open seconds that end at an arrival hold more than the limit."""
    window: deque[int] = deque()
    over = 0
    for at_ns in sorted(arrivals):
        window.append(at_ns)
        while window[0] <= at_ns - NANOSECONDS:
            window.popleft()
        over += len(window) > limit
    return over


async def _pool(size: Size) -> Row:
    """Do calls of 10 ms through ten connections."""
    seconds, clock, plain = [], SystemClock(), PlainServer()
    server = await asyncio.start_server(plain.answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=POOL)) as http:
        for _ in range(size.runs):
            began_ns = clock.monotonic_ns()
            async with asyncio.TaskGroup() as tasks:
                for _ in range(TASKS):
                    tasks.create_task(_ask(http, url))
            seconds.append((clock.monotonic_ns() - began_ns) / NANOSECONDS)
    if plain.most > POOL:
        raise AssertionError(f"{plain.most} calls were in flight")
    limit = TASKS * TASK_SECONDS / POOL
    return Row(
        "bounded_pool_seconds", seconds, "s", "lower", 0.13, limit, "the same work, no overhead", [limit]
    )


async def _ask(http: aiohttp.ClientSession, url: str) -> None:
    async with http.get(url) as reply:
        await reply.read()


async def _group_commit(place: Path) -> list[Row]:
    """Write the day's first frames as they come, and a few of them one ``fdatasync`` each."""
    whole = list(frames()[:TOGETHER])
    together, commits = await _write(place / "together", whole, alone=False)
    alone, _ = await _write(place / "alone", whole[:ALONE], alone=True)
    return [
        Row("frames_per_fdatasync", [len(whole) / commits], "frames", peer="one a frame", peer_values=[1]),
        Row("group_commit_speedup", [together / alone], "x", "higher", 20, peer="one fdatasync a frame", peer_values=[1]),
    ]  # fmt: skip


async def _write(place: Path, whole: list[Any], *, alone: bool) -> tuple[float, int]:
    """Return frames a second and commits."""
    clock, durable = SystemClock(), asyncio.Event()
    left = len(whole)

    def taken(committed: Committed) -> None:
        nonlocal left
        left -= len(committed.frames)
        if alone or not left:
            durable.set()

    writer = JournalWriter(JournalOptions(place, commit_ms=0 if alone else 5, reserve_bytes=0), taken, clock)
    began_ns = clock.monotonic_ns()
    for frame in whole:
        writer.append(frame)
        if alone:
            durable.clear()
            await durable.wait()
    while left:
        await durable.wait()
    seconds = (clock.monotonic_ns() - began_ns) / NANOSECONDS
    await writer.close()
    return len(whole) / seconds, writer.watermark.commits


@contextlib.asynccontextmanager
async def _broker() -> AsyncIterator[FakeBroker]:
    broker = FakeBroker()
    app = web.Application()
    app.router.add_post(TOKEN_PATH, broker.token)
    app.router.add_get(MULTI_PRICE.path, broker.prices)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    broker.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield broker
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _account(place: Path, url: str) -> AsyncIterator[BrokerRest]:
    settings = RecordSettings.model_validate(
        {
            "observer": {"data_dir": place},
            "kis": {"appkey": "bench", "appsecret": "bench", "rest_url": url, "master_url": url},
        }
    )
    rest, permits = open_broker(settings, SystemClock(), owner=True)
    try:
        yield rest
    finally:
        await rest.close()
        permits.close()
