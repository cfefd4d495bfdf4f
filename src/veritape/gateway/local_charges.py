"""What a subject was charged without the shared store, and what the store has to be told of it (GW-343, GW-345).

A share begins from what the store last said. When the store is back, everything that was admitted without it within the last
time-to-full becomes debt there, at most to the cap, so a subject that this worker knew is never admitted beyond its bound.
"""

from collections import Counter
from dataclasses import dataclass, field

from veritape.gateway.memory_store import UNLIMITED
from veritape.gateway.quota import EMPTY, MICROSECONDS, Bucket, Limits, Rule, ceil_div


@dataclass
class LocalCharges:
    """Charges of one subject that the store does not know yet."""

    limits: Limits = UNLIMITED
    """Whole limits of the last charge: what is owed is capped by them."""
    periods: set[str] = field(default_factory=set)
    """Months whose counters moved."""
    seconds: Counter[int] = field(default_factory=Counter)
    """Monotonic second -> mu that buckets owe."""

    def charge(self, limits: Limits, now_us: int, units_mu: int) -> None:
        """Note units that were admitted; without limits no bucket owes them."""
        if limits != UNLIMITED:
            self.limits = limits
            self.seconds[now_us // MICROSECONDS] += units_mu

    def owed_mu(self, now_us: int) -> tuple[int, int]:
        """Return what the minute's and the hour's bucket owe, mu."""
        now_s = now_us // MICROSECONDS
        return self._recent_mu(self.limits.minute, now_s), self._recent_mu(self.limits.hour, now_s)

    def add(self, other: "LocalCharges") -> None:
        """Take over earlier charges."""
        self.limits = other.limits if self.limits == UNLIMITED else self.limits
        self.periods |= other.periods
        self.seconds += other.seconds

    def _recent_mu(self, rule: Rule | None, now_s: int) -> int:
        if rule is None:
            return 0
        since_s = now_s - rule.full_after_us // MICROSECONDS - 1
        return sum(units_mu for second, units_mu in self.seconds.items() if second >= since_s)


def share_of(bucket: Bucket, rule: Rule | None, share: Rule | None) -> Bucket:
    """Return one worker's part of a bucket that the store described.

    The part owes the same fraction of its smaller burst: its units are as much heavier as there are workers.

    Args:
        bucket: as the store last said, perhaps of an earlier rule.
        rule: of the whole bucket now.
        share: of the part.
    """
    if rule is None or share is None:
        return EMPTY
    debt = bucket.debt
    if debt and bucket.weight != rule.weight:
        debt = ceil_div(debt, bucket.weight) * rule.weight
    return Bucket(debt, bucket.at_us, share.weight)
