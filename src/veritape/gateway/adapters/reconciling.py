"""The drainer's reconciliation: folds closed boots as soon as they are, and compares every five minutes (GW-672, GW-673)."""

import asyncio
from collections.abc import Callable
from typing import Final

from veritape.gateway.adapters.draining import Draining
from veritape.gateway.adapters.ledgers import UsageLedger
from veritape.gateway.adapters.reconciler import Reconciler
from veritape.gateway.quota import MU, month_of
from veritape.gateway.reconciliation import Repair, repair_event, repairs_line
from veritape.gateway.usage_metrics import LEDGER_DIFFERENCE
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import UnavailableError
from veritape.telemetry.registry import Registry

LOOK_NS: Final = NANOSECONDS
"""How often it is seen whether a boot was closed."""

PERIOD_NS: Final = 300 * NANOSECONDS
"""Between two comparisons."""

LATE_US: Final = 86_400 * 1_000_000
"""Charges of a month may be drained this long after its end; so long it is reconciled beside the new one."""


class Reconciling:
    """Reconciles until cancelled."""

    def __init__(
        self, reconciler: Reconciler, ledger: UsageLedger, draining: Draining, boot: bytes, registry: Registry,
        clock: Clock, report: Callable[[str], None],
    ) -> None:  # fmt: skip
        """Look after the counters.

        Args:
            reconciler: reads and folds.
            ledger: where repairs are noted.
            draining: tells how many boots were closed.
            boot: names this run in the events of repairs.
            registry: for the difference.
            clock: the machine's.
            report: told of repairs, differences and failures, one line each.
        """
        self._reconciler, self._ledger, self._draining = reconciler, ledger, draining
        self._boot, self._registry, self._clock, self._report = boot, registry, clock, report
        self._closed, self._seq = 0, 0

    async def run(self) -> None:
        """Look each second."""
        due_ns = self._clock.monotonic_ns()
        while True:
            now_ns = self._clock.monotonic_ns()
            compare = now_ns >= due_ns
            if compare or self._closed != self._draining.closed:
                self._closed = self._draining.closed
                due_ns = now_ns + PERIOD_NS if compare else due_ns
                await self.reconcile(compare=compare)
            await self._clock.sleep_until(now_ns + LOOK_NS)

    async def reconcile(self, *, compare: bool) -> None:
        """Fold, and compare before that, so that what the fold repairs is seen; a store or ledger that is away is said."""
        wall_us, off_mu = self._clock.wall_ns() // 1_000, 0
        try:
            for period in sorted({month_of(wall_us - LATE_US).period, month_of(wall_us).period}):
                if compare:
                    off_mu += await self._compare(period)
                    self._registry.set(LEDGER_DIFFERENCE, off_mu / MU)  # of both months at their border
                repairs = await asyncio.to_thread(self._reconciler.fold, period)
                await asyncio.to_thread(self._note, repairs, period, wall_us)
        except UnavailableError as error:
            self._report(f"usage is not reconciled: {error.message}")

    async def _compare(self, period: str) -> int:
        """Say what of a month differs; return by how much, mu."""
        found = await asyncio.to_thread(self._reconciler.differences, period)
        off_mu = sum(abs(one.off_mu) for one in found)
        if found:
            self._report(
                f"usage of {period} differs for {len(found)} subjects by {off_mu / MU:g} units: 'veritape usage reconcile' names them"
            )
        return off_mu

    def _note(self, repairs: list[Repair], period: str, wall_us: int) -> None:
        """Write repairs into the ledger: none is silent."""
        events = []
        for repair in repairs:
            self._seq += 1
            mended = repair.before_mu, repair.after_mu
            events.append(repair_event(self._boot, self._seq, repair.subject, period, mended, wall_us))
        if events:
            self._ledger.write(events)
            self._report(repairs_line(period, repairs))
