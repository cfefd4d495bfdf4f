"""The page as files, for whoever cannot scrape (TL-160): every minute and at the end, whole or not at all."""

from collections.abc import Callable
from pathlib import Path

from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.files import write_atomically
from veritape.telemetry.page import Page

PERIOD_NS = 60 * NANOSECONDS
"""Time between two exports."""

TEXT_NAME, SUMMARY_NAME = "metrics_prometheus.txt", "metrics_summary.json"
"""Bytes of ``/metrics`` and of ``/metrics.json``."""


class FileExport:
    """Writes a page below a folder; a failure is told once and never stops a part."""

    def __init__(self, page: Page, folder: Path, clock: Clock, warn: Callable[[str], None]) -> None:
        self._page = page
        self._folder = folder
        self._clock = clock
        self._warn = warn
        self._failing = False

    def write(self) -> bool:
        """Write both files of one moment; False when the disk refused."""
        now_ns, wall_ns = self._clock.monotonic_ns(), self._clock.wall_ns()
        try:
            write_atomically(self._folder / TEXT_NAME, self._page.text(now_ns))
            write_atomically(self._folder / SUMMARY_NAME, self._page.document(now_ns, wall_ns))
        except OSError as error:
            if not self._failing:
                self._warn(f"telemetry.export_dir {self._folder}: {error.strerror}: metrics are not exported")
            self._failing = True
            return False
        self._failing = False
        return True

    async def run(self) -> None:
        """Export each minute until cancelled, then once more."""
        try:
            while True:
                await self._clock.sleep_until(self._clock.monotonic_ns() + PERIOD_NS)
                self.write()
        finally:
            self.write()
