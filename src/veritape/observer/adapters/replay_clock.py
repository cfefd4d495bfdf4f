"""Follow the replayed broker's virtual clock (OB-810).

Between two polls the clock walks ahead at the stated speed, for at most ``AHEAD_SECONDS`` of real time, and it never
goes back. Real timeouts (HTTP, group commit) use the machine's clock and not this one.
"""

import asyncio
from collections.abc import Callable

import aiohttp

from veritape.kernel.clock import NANOSECONDS, SystemClock
from veritape.kernel.errors import UnavailableError

POLL_SECONDS = 0.02
"""Pause between two polls."""

STEP_TURNS = 20
"""Turns of the loop between two polls while the tape moves in steps (``--speed max``): it waits for the poll before the next
step, and who slept until this one has begun its work, which may ask for small steps."""

STEP_MS = 40_000
"""Milliseconds that the tape may jump when nobody says otherwise."""

AHEAD_SECONDS = 0.05
"""Real time that the clock walks ahead of the last poll."""

ATTEMPTS = 500
"""Polls before the replayed broker counts as absent: ten seconds."""


class ReplayClock:
    """A clock that another process turns."""

    def __init__(self, rest_url: str) -> None:
        self._url = f"{rest_url}/replay/clock"
        self._real = SystemClock()
        self._speed = 0.0
        self._base_ns = 0
        self._base_real_ns = 0
        self._latest_ns = 0
        self._told = asyncio.Event()
        self.step_ms: Callable[[], int] = lambda: STEP_MS
        """Tells how far the tape may jump before the next poll, where it moves in steps."""

    async def start(self) -> "asyncio.Task[None]":
        """Wait for the broker's first answer, then follow it; cancel the returned task at the end.

        Raises:
            UnavailableError: nobody answers.
        """
        session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2))
        for _ in range(ATTEMPTS):
            if await self._poll(session):
                return asyncio.create_task(self._follow(session))
            await asyncio.sleep(POLL_SECONDS)
        await session.close()
        raise UnavailableError(
            f"no replayed broker answers at {self._url}: start veritape replay --virtual first"
        )

    def wall_ns(self) -> int:
        """Return the tape's time of day, nanoseconds UTC."""
        ahead_ns = min(self._real.monotonic_ns() - self._base_real_ns, int(AHEAD_SECONDS * NANOSECONDS))
        self._latest_ns = max(self._latest_ns, self._base_ns + int(ahead_ns * self._speed))
        return self._latest_ns

    def monotonic_ns(self) -> int:
        """Return the same clock: it never goes back."""
        return self.wall_ns()

    async def sleep_until(self, monotonic_ns: int) -> None:
        """Sleep until the tape has come that far; one that moves in steps wakes its sleepers with each."""
        while (left_ns := monotonic_ns - self.monotonic_ns()) > 0:
            if self._speed:
                await asyncio.sleep(min(max(left_ns / NANOSECONDS / self._speed, 0.001), POLL_SECONDS))
            else:
                await self._told.wait()

    async def _follow(self, session: aiohttp.ClientSession) -> None:
        try:
            while True:
                if not await self._poll(session):
                    self._speed = 0.0
                elif not self._speed:
                    for _ in range(STEP_TURNS):
                        await asyncio.sleep(0)
                    continue
                await asyncio.sleep(POLL_SECONDS)
        finally:
            await session.close()

    async def _poll(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(self._url, params={"step_ms": self.step_ms()}) as answer:
                document = await answer.json()
                self._base_ns, self._speed = int(document["now_ns"]), float(document["speed"])
                self._base_real_ns = self._real.monotonic_ns()
                self._told.set()
                self._told.clear()
                return True
        except (aiohttp.ClientError, TimeoutError, KeyError, ValueError):
            return False
