"""Window files while the recorder runs: each appears five seconds after its end, whole (OB-722)."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.export_files import Exporter, ExportFolder

WAIT_NS = 10 * NANOSECONDS
"""Pause when what is due waits for a frame that shows that the recorder ran."""

READ_NS = 60 * NANOSECONDS
"""Longest pause: the journal is read in small pieces, so that the recorder never waits long for the interpreter."""


class LiveExports:
    """Writes what the exporter has finished."""

    def __init__(
        self,
        exporter: Exporter,
        folder: ExportFolder,
        daybook: Daybook,
        clock: Clock,
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        """Begin to read.

        Args:
            exporter: reads the journal.
            folder: where files go.
            daybook: what is received is durable here.
            clock: the market's time.
            has_room: whether the disk has room for more than the journal; else the windows wait there (OB-510).
        """
        self._has_room = has_room
        self._exporter = exporter
        self._folder = folder
        self._daybook = daybook
        self._clock = clock
        self._writing = asyncio.Lock()

    async def run(self) -> None:
        """Write windows until cancelled; returns at once when no kind is wanted."""
        try:
            while self._exporter.windows.kinds:
                now_ns = self._clock.wall_ns()
                due_ns = self._exporter.windows.next_end_ns() or now_ns + READ_NS
                pause_ns = min(due_ns - now_ns, READ_NS) if due_ns > now_ns else WAIT_NS
                await self._clock.sleep_until(self._clock.monotonic_ns() + pause_ns)
                await self.write()
        finally:
            self._exporter.stopped = True

    async def write(self) -> None:
        """Write the windows that are complete: what was received before their end is durable first."""
        if not self._exporter.windows.kinds or not self._has_room():
            return
        async with self._writing:
            await self._daybook.flush()
            now_ns = self._clock.wall_ns()
            for window in await asyncio.to_thread(self._exporter.finished, now_ns):
                self._folder.write(window, self._written)

    def _written(self, path: Path, kind: str, day: str, content: bytes) -> None:
        self._daybook.index.exported(path, kind, day, content, self._clock.wall_ns())
