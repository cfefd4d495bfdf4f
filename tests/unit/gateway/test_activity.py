"""Figures with a memory."""

import math

from veritape.gateway import activity
from veritape.gateway.activity import Activity, used_share
from veritape.gateway.quota import Decision, LimitName, LimitState, Mode
from veritape.telemetry import Registry

SECOND_US = 1_000_000


def minute(remaining: int) -> LimitState:
    return LimitState(LimitName.MINUTE, 100, 60, 150, remaining * 1_000, 0, 0)


def decision(*limits: LimitState, admitted: bool = True, mode: Mode = Mode.EXACT) -> Decision:
    return Decision(admitted, None, 1_000, limits, 0, mode, "2026-11", 7)


def shown(active: Activity, now_us: int, hits: float = 0, misses: float = 0) -> Registry:
    registry = Registry(activity.ACTIVITY_METRICS, strict=True)
    active.show(registry, hits, misses, now_us)
    return registry


def test_who_is_active_for_five_minutes() -> None:
    """TL-250, GW-772: accounts once whatever their environments, address groups apart, nobody after 5 min."""
    active = Activity()
    active.note("acme:live", "acme", "free", decision(), 0, leased=False)
    active.note("acme:test", "acme", "free", decision(), 1, leased=False)
    active.note("bolt:live", "bolt", "gold", decision(), 2, leased=False)
    active.note("ip:anonymous:192.0.2.0/32", "", "anonymous", decision(), 3, leased=False)
    registry = shown(active, 299 * SECOND_US)
    assert (registry.value(activity.ACTIVE_USERS), registry.value(activity.ACTIVE_IPS)) == (2, 1)
    tiers = {tier: registry.value(activity.TIER_USERS, tier=tier) for tier in activity.TIERS}
    assert tiers == {"free": 1, "pro": 0, "enterprise": 0, "partner": 0, "anonymous": 1, "other": 1}
    later = shown(active, 300 * SECOND_US + 3)
    assert (later.value(activity.ACTIVE_USERS), later.value(activity.ACTIVE_IPS)) == (0, 0)


def test_the_subjects_remembered_are_bounded() -> None:
    """GW-908: a million addresses leave the memory at its bound."""
    active = Activity()
    for number in range(activity.SUBJECTS_LIMIT + 10):
        active.note(f"ip:{number}", "", "anonymous", decision(), number, leased=False)
    assert shown(active, 0).value(activity.ACTIVE_IPS) == activity.SUBJECTS_LIMIT


def test_rates_of_the_last_sixty_seconds() -> None:
    """TL-250: refusals, and decisions that found no lease; not a number when nothing was decided."""
    active = Activity()
    for number in range(10):
        refused, mode = number < 4, Mode.LEASE if number % 2 else Mode.EXACT
        active.note("a:live", "a", "pro", decision(admitted=not refused, mode=mode), number, leased=True)
    registry = shown(active, 59 * SECOND_US)
    assert registry.value(activity.REJECTION_RATE) == 40
    assert registry.value(activity.LOCK_CONTENTION) == 0.5
    later = shown(active, 60 * SECOND_US)
    assert math.isnan(later.value(activity.REJECTION_RATE))
    assert later.value(activity.LOCK_CONTENTION) == 0


def test_the_cache_s_ratio_of_the_last_sixty_seconds() -> None:
    """TL-250, GW-773: of the key cache's look-ups, two decimals."""
    active = Activity()
    assert math.isnan(shown(active, 0, 1_000, 1_000).value(activity.CACHE_HIT_RATIO))
    assert shown(active, 30 * SECOND_US, 1_002, 1_001).value(activity.CACHE_HIT_RATIO) == 66.67
    assert shown(active, 61 * SECOND_US, 1_002, 1_002).value(activity.CACHE_HIT_RATIO) == 0


def test_the_largest_share_of_a_limit() -> None:
    """TL-250: per tier and period over active accounts; a bucket refills while nobody calls, a month does not."""
    active = Activity()
    month = LimitState(LimitName.MONTH, 1_000, 2_592_000, 1_000, 250_000, 0, 0)
    active.note("a:live", "a", "free", decision(minute(0), month), 0, leased=False)
    active.note("b:live", "b", "free", decision(minute(75)), 0, leased=False)
    active.note("b:live", "b", "free", decision(), 0, leased=False)
    registry = shown(active, 45 * SECOND_US)
    assert registry.value(activity.QUOTA_USED, tier="free", period="minute") == 0.5
    assert registry.value(activity.QUOTA_USED, tier="free", period="month") == 0.75
    assert math.isnan(registry.value(activity.QUOTA_USED, tier="pro", period="minute"))
    assert used_share(minute(0), 10**12) == 0
