"""Who was active lately, and what share of decisions refused: the figures that need a memory (TL-250).

Fed by each decision, shown each second. Who is active is known by subject, at most ``SUBJECTS_LIMIT`` of them; figures carry
counts and tiers, never a subject.
"""

import math
from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from veritape.gateway.closed_labels import known_values
from veritape.gateway.fast_quota import Verdict
from veritape.gateway.quota import MICROSECONDS, MU, Decision, LimitName, LimitState, Mode
from veritape.telemetry.metric import OTHER, Merge, Metric, MetricType
from veritape.telemetry.registry import Registry

ACTIVE_US: Final = 300 * MICROSECONDS
"""Who had a decision so lately is active."""

WINDOW_S: Final = 60
"""Seconds that rates look back."""

SUBJECTS_LIMIT: Final = 100_000
"""Subjects that are remembered; beyond, the one that was quiet longest is forgotten."""

TIERS: Final = ("free", "pro", "enterprise", "partner", "anonymous", OTHER)

_EXACT: Final = Mode.EXACT
"""A member of an enum is looked up in its class each time."""

_PERIODS: Final = (LimitName.MINUTE, LimitName.HOUR, LimitName.MONTH)


def _gauge(name: str, text: str, event: str, *labels: tuple[str, tuple[str, ...]]) -> Metric:
    return Metric(name, MetricType.GAUGE, text, event, labels=labels, merge=Merge.MAX)


ACTIVE_USERS: Final = _gauge(
    "rate_limiter_active_users_gauge", "Accounts with a decision in the last 5 min.", "each second"
)
ACTIVE_IPS: Final = _gauge(
    "rate_limiter_active_ips_gauge",
    "Anonymous address groups with a decision in the last 5 min.",
    "each second",
)
TIER_USERS: Final = _gauge(
    "rate_limiter_tier_users", "Active accounts by tier; groups of anonymous callers.", "each second",
    ("tier", TIERS),
)  # fmt: skip
REJECTION_RATE: Final = _gauge(
    "rate_limiter_rejection_rate_percent",
    "Refusals of a hundred decisions of the last 60 s.",
    "each second; NaN when there were none",
)
CACHE_HIT_RATIO: Final = _gauge(
    "rate_limiter_cache_hit_ratio_percent",
    "Remembered credentials of a hundred look-ups of the last 60 s.",
    "each second; NaN when there were none",
)
LOCK_CONTENTION: Final = _gauge(
    "rate_limiter_lock_contention_ratio",
    "Share of the last 60 s' decisions that found no lease and had to ask the store.",
    "each second",
)
QUOTA_USED: Final = _gauge(
    "gateway_quota_used_ratio", "Largest share of a limit that an active account has used.", "each second",
    ("tier", TIERS), ("period", tuple(name.value for name in _PERIODS)),
)  # fmt: skip

ACTIVITY_METRICS: Final = (
    ACTIVE_USERS, ACTIVE_IPS, TIER_USERS, REJECTION_RATE, CACHE_HIT_RATIO, LOCK_CONTENTION, QUOTA_USED,
)  # fmt: skip
"""Families of activity, in vector order."""


@dataclass(slots=True)
class _Seen:
    """Somebody who was active."""

    at_us: int
    account: str
    """Empty for an address group."""
    tier: str
    judged: Verdict | Decision
    """The last decision that says how its limits stand."""


@dataclass(slots=True)
class _Second:
    """What was decided in a second."""

    second: int
    decided: int = 0
    refused: int = 0
    waited: int = 0


class Activity:
    """What one worker has decided lately."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._seconds: deque[_Second] = deque()
        self._cache: deque[tuple[int, float, float]] = deque()

    def note(
        self, subject: str, account: str, tier: str, judged: Verdict | Decision, now_us: int, *, leased: bool
    ) -> None:
        """Take a decision.

        Args:
            subject: who is limited.
            account: its account; empty for an address group.
            tier: of the account.
            judged: what was decided; a refusal as the whole decision.
            now_us: monotonic clock.
            leased: a lease would have spared the store this call.
        """
        seen, shown = self._seen.get(subject), tier if account else "anonymous"
        if seen is None:
            self._seen[subject] = _Seen(now_us, account, shown, judged)
            if len(self._seen) > SUBJECTS_LIMIT:
                self._seen.popitem(last=False)
        else:
            seen.at_us, seen.account, seen.tier = now_us, account, shown
            if isinstance(judged, Verdict) or judged.limits:
                seen.judged = judged
            self._seen.move_to_end(subject)
        second = now_us // MICROSECONDS
        if not self._seconds or self._seconds[-1].second != second:
            self._seconds.append(_Second(second))
        counts = self._seconds[-1]
        counts.decided += 1
        if not judged.admitted:
            counts.refused += 1
        if leased and judged.mode is _EXACT:
            counts.waited += 1

    def show(self, registry: Registry, hits: float, misses: float, now_us: int) -> None:
        """Put the gauges at what is true now.

        Args:
            registry: of the process.
            hits: credentials that were remembered, since the start.
            misses: those that were not.
            now_us: monotonic clock.
        """
        self._forget(now_us)
        self._show_rates(registry)
        self._show_cache(registry, hits, misses, now_us // MICROSECONDS)
        users = {(seen.account, seen.tier) for seen in self._seen.values() if seen.account}
        groups = sum(not seen.account for seen in self._seen.values())
        registry.set(ACTIVE_USERS, len({account for account, _ in users}))
        registry.set(ACTIVE_IPS, groups)
        names = known_values(registry, TIER_USERS, "tier")
        tiers = Counter(tier if tier in names else OTHER for _, tier in users)
        tiers["anonymous"] = groups
        for tier in names:
            registry.set(TIER_USERS, tiers[tier], tier=tier)
        self._show_shares(registry, names, now_us)

    def _forget(self, now_us: int) -> None:
        while self._seen and next(iter(self._seen.values())).at_us <= now_us - ACTIVE_US:
            self._seen.popitem(last=False)
        while self._seconds and self._seconds[0].second <= now_us // MICROSECONDS - WINDOW_S:
            self._seconds.popleft()

    def _show_rates(self, registry: Registry) -> None:
        decided = sum(second.decided for second in self._seconds)
        refused = sum(second.refused for second in self._seconds)
        waited = sum(second.waited for second in self._seconds)
        registry.set(REJECTION_RATE, 100 * refused / decided if decided else math.nan)
        registry.set(LOCK_CONTENTION, waited / decided if decided else 0.0)

    def _show_cache(self, registry: Registry, hits: float, misses: float, second: int) -> None:
        self._cache.append((second, hits, misses))
        while self._cache[0][0] < second - WINDOW_S:
            self._cache.popleft()
        _, hits_before, misses_before = self._cache[0]
        looked = hits - hits_before + misses - misses_before
        registry.set(CACHE_HIT_RATIO, round(100 * (hits - hits_before) / looked, 2) if looked else math.nan)

    def _show_shares(self, registry: Registry, names: Sequence[str], now_us: int) -> None:
        largest: dict[tuple[str, str], float] = {}
        for seen in self._seen.values():
            tier = seen.tier if seen.tier in names else OTHER
            for name, share in used_shares(seen.judged, now_us - seen.at_us):
                largest[tier, name.value] = max(largest.get((tier, name.value), 0.0), share)
        for tier in names:
            for name in _PERIODS:
                share = largest.get((tier, name.value), math.nan)
                registry.set(QUOTA_USED, share, tier=tier, period=name.value)


def used_shares(judged: Verdict | Decision, passed_us: int) -> list[tuple[LimitName, float]]:
    """Return the share of each limit that is used, some time after a decision; a verdict's without unfolding it."""
    if isinstance(judged, Decision):
        return [(part.name, used_share(part, passed_us)) for part in judged.limits if part.name in _PERIODS]
    limits, shares = judged.plan.limits, []
    buckets = ((LimitName.MINUTE, limits.minute, judged.minute), (LimitName.HOUR, limits.hour, judged.hour))
    for name, rule, (debt, _, _) in buckets:
        if rule is not None:
            full = rule.burst_mu * rule.weight
            owed = min(full, debt + judged.held_mu * rule.weight) - passed_us * rule.gain
            shares.append((name, max(0, owed) / full))
    if limits.month_mu is not None:
        shares.append((LimitName.MONTH, min(judged.used_mu, limits.month_mu) / max(1, limits.month_mu)))
    return shares


def used_share(part: LimitState, passed_us: int) -> float:
    """Return the share of a limit that is used, some time after it was described: a bucket has refilled meanwhile."""
    full_mu = part.burst * MU
    refilled_mu = (
        0 if part.name is LimitName.MONTH else passed_us * part.quota * MU / (part.window_s * MICROSECONDS)
    )
    return max(0.0, full_mu - part.remaining_mu - refilled_mu) / full_mu
