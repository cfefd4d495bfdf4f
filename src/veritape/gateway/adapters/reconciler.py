"""Compares counters and ledger, and folds the boots that are closed (GW-672, GW-673). Blocking: for a thread or a command."""

from collections.abc import Callable

from veritape.gateway.adapters.ledgers import LedgerReader
from veritape.gateway.adapters.month_counters import MonthCounters
from veritape.gateway.reconciliation import (
    CLOSED,
    TRIES,
    Difference,
    Repair,
    Share,
    by_name,
    differences,
    folded,
)


class Reconciler:
    """Reads both sides of a month."""

    def __init__(
        self, ledger: LedgerReader, counters: MonthCounters | None, pause: Callable[[], None]
    ) -> None:
        """Look at a gateway.

        Args:
            ledger: its ledger.
            counters: its shared counters; None when they are in memory, which starts from the ledger.
            pause: waits a second between two looks.
        """
        self._ledger, self._counters, self._pause = ledger, counters, pause

    def differences(self, period: str) -> list[Difference]:
        """Return what differs after three looks: events and months of the ledger, then the ledger and the counters.

        Raises:
            UnavailableError: one of the two cannot be read.
        """
        found = [
            Difference(subject, of_month, of_events)
            for subject, (of_month, of_events) in sorted(self._ledger.broken_sums(period).items())
        ]
        if self._counters is None:
            return found
        before, left = self._sums(period), list[Difference]()
        for _ in range(TRIES):
            counters = self._counters.read(period)
            self._pause()
            after = self._sums(period)
            left = differences(before, counters, after)
            if not left:
                break
            before = after
        return found + left

    def fold(self, period: str) -> list[Repair]:
        """Put the share of the closed boots of every subject to what the ledger has; return what changed by that.

        Raises:
            UnavailableError: one of the two cannot be read or written.
        """
        if self._counters is None:
            return []
        counters, shares = self._counters.read(period), self._ledger.shares(period)
        closed = {share.boot for share in shares if share.closed}
        sums, repairs = by_name(shares), list[Repair]()
        for subject, counter in counters.items():
            month = counter.month
            boots = closed.intersection(month.shares_mu)
            closed_mu = sums.get(subject, {}).get(CLOSED, 0)
            if folded(month, closed_mu, boots) == (month.total_mu, {CLOSED: 0, **month.shares_mu}):
                continue
            done = self._counters.fold(subject, period, closed_mu, boots)
            if done is not None and done[0] != done[1]:
                of_boots = (
                    (boot, month.shares_mu[boot], shares.get(Share(subject, boot, True), 0))
                    for boot in sorted(boots)
                )
                repairs.append(Repair(subject, *done, counter.held_mu, tuple(of_boots)))
        return repairs

    def _sums(self, period: str) -> dict[str, int]:
        return {
            subject: sum(shares.values()) for subject, shares in by_name(self._ledger.shares(period)).items()
        }
