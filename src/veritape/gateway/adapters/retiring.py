"""Delete the events of months that are old enough, once an hour, by whoever owns the ledger (GW-684)."""

import asyncio
from collections.abc import Callable
from typing import Final

from veritape.gateway.adapters.ledgers import UsageLedger
from veritape.gateway.adapters.usage_reader import UsageReader
from veritape.gateway.billing import add_up
from veritape.gateway.retention import due, kept_since
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import UnavailableError
from veritape.telemetry.audit_log import AuditKind, Entry

PERIOD_NS: Final = 3_600 * NANOSECONDS
"""Between two looks; one that finds nothing old reads an index."""


class Retiring:
    """Retires months until cancelled."""

    def __init__(
        self, ledger: UsageLedger, days: int, record: Callable[[Entry], object], clock: Clock,
        report: Callable[[str], None],
    ) -> None:  # fmt: skip
        """Look after a ledger's age.

        Args:
            ledger: whose events.
            days: how long they stay.
            record: makes a record of the audit log durable, before a month goes.
            clock: the machine's.
            report: told of each month that went or could not, one line each.
        """
        self._ledger, self._days, self._record = ledger, days, record
        self._clock, self._report = clock, report
        self._refused: set[str] = set()

    async def run(self) -> None:
        """Look each hour; a ledger that is away is asked at the next."""
        while True:
            try:
                await asyncio.to_thread(self.retire)
            except UnavailableError as error:
                self._report(f"old usage events were not deleted: {error.message}")
            await self._clock.sleep_until(self._clock.monotonic_ns() + PERIOD_NS)

    def retire(self) -> None:
        """Retire every month that is due.

        Raises:
            UnavailableError: ledger or audit log cannot be written; what was not retired is whole.
        """
        wall_us = self._clock.wall_ns() // 1_000
        reader = UsageReader(self._ledger.rows)
        for period in due(reader.old_months(kept_since(wall_us, self._days)), wall_us, self._days):
            if self._ledger.broken_sums(period):
                self._refuse(
                    f"usage events of {period} stay: 'veritape usage reconcile --period {period}' finds differences"
                )
                continue
            kept = list(add_up(reader.month_events(period)).values())
            detail = {"events": sum(one.events for one in kept), "accounts": len(kept), "days": self._days}
            self._record(Entry(AuditKind.RETENTION_DELETED, "gateway", f"usage:{period}", detail))
            deleted = self._ledger.retire(period, kept)
            if deleted:
                self._report(
                    f"{deleted} usage events of {period} were deleted after {self._days} days; its sums and invoices stay"
                )
            else:
                self._refuse(f"usage events of {period} stay: some came while they were added up")

    def _refuse(self, line: str) -> None:
        """Say once why a month stays."""
        if line not in self._refused:
            self._refused.add(line)
            self._report(line)
