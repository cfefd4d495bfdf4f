"""A recorder of Binance inside the test's own event loop, pointed at the captures' server."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.binance import CODE, FIRST, captured
from tests.binance_server import BinanceServer

from veritape.kernel.clock import Clock
from veritape.observer.adapters.binance.recording import BinanceRecording
from veritape.observer.adapters.binance.rest import BinanceRest
from veritape.observer.adapters.binance.watching import Watching
from veritape.observer.adapters.daybook import VenueDaybook
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.binance.limits import Weights
from veritape.observer.binance.settings import BinanceRecordSettings
from veritape.observer.journal import Venue as JournalVenue
from veritape.observer.recorder import Applied


class FastClock:
    """The captures' time, running many times faster than it did."""

    def __init__(self, speed: float = 120.0, wall_ns: int | None = None) -> None:
        self._speed = speed
        self._origin_ns = captured(FIRST)[0].received_ns if wall_ns is None else wall_ns
        self._started = time.perf_counter()

    def wall_ns(self) -> int:
        """Return the captures' wall clock."""
        return self._origin_ns + self.monotonic_ns()

    def monotonic_ns(self) -> int:
        """Return its nanoseconds since the start."""
        return int((time.perf_counter() - self._started) * self._speed * 1e9)

    async def sleep_until(self, monotonic_ns: int) -> None:
        """Sleep on the running event loop."""
        while (left_ns := monotonic_ns - self.monotonic_ns()) > 0:
            await asyncio.sleep(left_ns / 1e9 / self._speed)


def settings(data: Path, port: int, **changes: dict[str, Any]) -> BinanceRecordSettings:
    """Return settings that point at a server on loopback."""
    tables: dict[str, dict[str, Any]] = {
        "observer": {"data_dir": data, "venue": "BINANCE"},
        "binance": {
            "codes": (CODE,), "rest_url": f"http://127.0.0.1:{port}", "stream_url": f"ws://127.0.0.1:{port}",
        },
        "journal": {"reserve_bytes": 0},
    }  # fmt: skip
    for name, table in changes.items():
        tables[name] = tables.get(name, {}) | table
    return BinanceRecordSettings.model_validate(tables)


class Run:
    """A recorder with its parts."""

    def __init__(self, chosen: BinanceRecordSettings, clock: Clock) -> None:
        self.recording = BinanceRecording(chosen.observer.data_dir)
        options = JournalOptions(
            self.recording.journal_folder, JournalVenue.BINANCE, reserve_bytes=0, day_offset_ns=0
        )
        self.applied = Applied()
        self.said: list[str] = []
        self.daybook = VenueDaybook(self.recording, options, clock, self._add, say=self.said.append)
        self.rest = BinanceRest(chosen.binance.rest_url, Weights(chosen.binance.weight_per_minute), clock)
        self.watching = Watching(chosen, self.daybook, self.rest, clock, self.said.append)

    def _add(self, applied: Applied) -> None:
        for name in ("recorded", "duplicates", "late", "holes"):
            setattr(self.applied, name, getattr(self.applied, name) + getattr(applied, name))

    async def close(self) -> None:
        """Close journal and calls."""
        await self.daybook.close()
        await self.rest.close()


@asynccontextmanager
async def running(
    server: BinanceServer, data: Path, clock: Clock, **changes: dict[str, Any]
) -> AsyncIterator[Run]:
    """Run a recorder; leaving the block stops it as Ctrl-C does."""
    run = Run(settings(data, server.port, **changes), clock)
    work = asyncio.create_task(run.watching.run())
    try:
        yield run
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await run.close()
    if not work.cancelled():
        work.result()
