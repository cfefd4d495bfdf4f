"""The drainer as a task: a pass every quarter of a second, its figures, and one line when the ledger comes and goes."""

import asyncio
from collections.abc import Callable
from typing import Final

from veritape.gateway.adapters.drainer import Drained, Drainer
from veritape.gateway.quota import MICROSECONDS
from veritape.gateway.usage_metrics import LEDGER_LAG, note_drained
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.telemetry.registry import Registry

PERIOD_NS: Final = NANOSECONDS // 4
"""Between two passes: an event is in the ledger within a second (GW-664)."""


class Draining:
    """Drains until cancelled."""

    def __init__(
        self, drainer: Drainer, registry: Registry, clock: Clock, report: Callable[[str], None]
    ) -> None:
        self._drainer, self._registry, self._clock, self._report = drainer, registry, clock, report
        self._failing = False

    @property
    def closed(self) -> int:
        """Boots closed so far."""
        return self._drainer.closed_boots

    async def run(self) -> None:
        """Make one pass after the other."""
        while True:
            await self.drain()
            await self._clock.sleep_until(self._clock.monotonic_ns() + PERIOD_NS)

    async def drain(self) -> None:
        """Make one pass."""
        self._note(await asyncio.to_thread(self._drainer.drain))

    def _note(self, drained: Drained) -> None:
        failure = drained.failure
        note_drained(
            self._registry, drained.drained, drained.duplicates, drained.bad_files, failed=failure is not None
        )
        waited_us = self._clock.wall_ns() // 1_000 - drained.oldest_us if drained.oldest_us else 0
        self._registry.set(LEDGER_LAG, max(0, waited_us) / MICROSECONDS)
        if failure is not None and not self._failing:
            self._report(f"{failure.message}; charges wait in the outbox")
        elif failure is None and self._failing:
            self._report("the usage ledger is written again")
        self._failing = failure is not None
